"""Through Kafka: topics that one applier reads in the source's order, or several share by keys (`parallel_*`)."""
