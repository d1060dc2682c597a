"""A second, ugly little monolith and a small new service for one of its domains; the toolkit knows neither.

A credit union's bookkeeping: plain WSGI, raw SQL, names that need quotes. The domain `ledger` moves with a
plan file and the middleware alone; what else it has is refused by name.
"""
