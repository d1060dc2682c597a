"""A mail server that delivers to nobody: it keeps what it was given, and shows it."""
