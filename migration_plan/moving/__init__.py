"""From stage to stage: gates, what a move would do and cost, and the move."""
