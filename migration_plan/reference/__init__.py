"""Pages of `docs/reference`, printed from the code."""
