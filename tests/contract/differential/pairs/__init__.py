"""The two sides of a domain, next to each other, with nothing between them and the requests."""
