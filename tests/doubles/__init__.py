"""The outside world, played: Stripe, Twilio and a mail server, each one process on loopback.

    python -m tests.doubles.stripe --port 7461
    python -m tests.doubles.twilio --port 7462
    python -m tests.doubles.mail   --port 7463 --smtp-port 7464

They keep what they were asked for, show it (`/` for people, `/_control/…` for tests), and fail when told to. The real
client libraries talk to them. All state is in memory: a double that is started again knows nothing.
"""
