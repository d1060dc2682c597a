"""Both sides row by row: what differs, why, and put right."""
