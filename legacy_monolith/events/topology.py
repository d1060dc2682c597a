"""Where events wait: a domain's inbox, what is tried again later, and what somebody has to look at.

The extracted services declare the same for the domains that they own; queues declared with other arguments would
be refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

MOST_ATTEMPTS = 5
RETRY_SECONDS = 5.0


def inbox_of(domain: str) -> str:
    return f"{domain}.inbox"


def retry_of(queue: str) -> str:
    return f"{queue}.retry"


def dead_of(queue: str) -> str:
    return f"{queue}.dead"


def exchange_of(domain: str) -> str:
    """As Nameko's dispatcher names and declares it."""
    return f"{domain}.events"


def declare(channel: Any, domain: str, sources: Sequence[str]) -> None:
    """Exchanges, queues and bindings, all durable; may be repeated at any time."""
    queue = inbox_of(domain)
    durable: dict[str, Any] = {"durable": True, "auto_delete": False}
    channel.queue_declare(queue, **durable)
    # What waits there comes back to the inbox when its time is over.
    back = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": queue}
    channel.queue_declare(retry_of(queue), arguments=back, **durable)
    channel.queue_declare(dead_of(queue), **durable)
    for source in sources:
        channel.exchange_declare(exchange_of(source), "topic", **durable)
        channel.queue_bind(queue, exchange_of(source), "#")
