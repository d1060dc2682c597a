"""The process `fig streams`: streams and publishers at work, watched, and started again."""
