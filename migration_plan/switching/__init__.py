"""Ownership goes from one side to the other: the protocol, and how what began comes to its end."""
