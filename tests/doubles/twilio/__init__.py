"""A small Twilio: messages are taken on, listed and looked up. There is no idempotency, as with the real one:

asked twice, it sends twice, and a caller that got no answer has to look the message up.
"""
