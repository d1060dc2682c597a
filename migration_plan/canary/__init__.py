"""Canary of reads: the rules of the plan, what the proxies count, the decision, and the keeper that acts on it."""
