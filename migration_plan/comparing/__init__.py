"""Both sides compared, for the gates: row by row, and by what they answer."""
