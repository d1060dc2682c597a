"""Does the service behave as the monolith does? The same requests are sent to both, from the same state.

document (what may be asked, from OpenAPI) → steps (generated sequences) → side (sends them) → answers, rows (compared)

What the two cannot have in common (ids that a side draws, moments, tokens) is declared field by field and still
compared as far as it goes: an id stands for the same thing throughout, moments have the same order.
"""
