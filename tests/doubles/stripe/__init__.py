"""A small stateful Stripe: PaymentIntents, refunds, idempotency keys, 3-D Secure, signed webhooks.

What a request means is decided in `account` (with `objects`, `cards`, `idempotency`, `schedule`), without network;
`api` speaks Stripe's HTTP, `webhooks` sends events. What it does not know it refuses, as the real one does.
"""
