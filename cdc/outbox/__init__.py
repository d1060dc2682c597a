"""Events: inserts of a domain's outbox table go to RabbitMQ."""
