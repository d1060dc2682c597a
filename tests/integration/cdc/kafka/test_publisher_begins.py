"""A broker that goes away just while a publisher begins is waited for, like at any other moment."""

from __future__ import annotations

from typing import Any

import pytest
from kafka.errors import KafkaTimeoutError

from cdc.kafka.transport import KafkaTransport
from tests.integration.cdc.kafka.conftest import publishing
from tests.integration.cdc.stream.conftest import Pair


def test_a_broker_that_goes_away_while_a_publisher_begins_is_waited_for(
    routed: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, lost = KafkaTransport.producer, iter(["metadata", "metadata"])

    def producer(self: KafkaTransport) -> Any:
        if (what := next(lost, None)) is not None:
            raise KafkaTimeoutError(f"Failed to update {what}")
        return made(self)

    monkeypatch.setattr(KafkaTransport, "producer", producer)
    with routed.streaming(), publishing(routed.forward):
        routed.on_monolith("insert into book (title) values ('b')")
        routed.caught_up()
    assert next(lost, None) is None, "the publisher was made in vain, twice"
