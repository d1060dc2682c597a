"""A running stream that stands still at an exact point, asked for by another process."""
