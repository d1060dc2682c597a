"""Rows as they are, copied: a stream's first snapshot, and rows copied again while it runs."""
