"""Nameko's RPC entrypoint, made to outlive its broker: `@rpc` on a method.

The stock one ends the process when a reply cannot be sent, ends it again and again when a message asks for no
reply, holds a worker while a frozen broker is published to, and never stops while the broker does not answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import eventlet
from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from kombu.exceptions import KombuError
from nameko import rpc as stock
from nameko.messaging import QueueConsumer

log = logging.getLogger(__name__)

STOP_S = 4.0
REPLY_S = 10.0
_BROKER_ERRORS = (AMQPError, KombuError, OSError)


class BoundedQueueConsumer(QueueConsumer):  # type: ignore[misc,unused-ignore]
    """Takes a quarter of the workers at most, and stops in time even if the broker is frozen."""

    @property
    def prefetch_count(self) -> int:
        workers: int = self.container.max_workers
        return max(1, workers // 4)

    def unregister_provider(self, provider: Any) -> None:
        with eventlet.Timeout(STOP_S, False):
            super().unregister_provider(provider)

    def stop(self) -> None:
        with eventlet.Timeout(STOP_S, False):
            super().stop()


class LastingRpcConsumer(stock.RpcConsumer):  # type: ignore[misc,unused-ignore]
    queue_consumer = BoundedQueueConsumer()

    def handle_result(self, message: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
        if "reply_to" not in message.properties:
            log.warning("an RPC message without reply_to was dropped")
            self.queue_consumer.ack_message(message)
        else:
            # The worker does not wait for the broker; after a lost reply the message comes again.
            eventlet.spawn(self._reply, message, result, exc_info)
        return result, exc_info

    def _reply(self, message: Any, result: Any, exc_info: Any) -> None:
        try:
            with eventlet.Timeout(REPLY_S, TimeoutError(f"no confirmation within {REPLY_S} s")):
                super().handle_result(message, result, exc_info)
        except _BROKER_ERRORS as error:
            log.warning("an RPC reply was not sent: %s", error)


class LastingRpc(stock.Rpc):  # type: ignore[misc,unused-ignore]
    rpc_consumer = LastingRpcConsumer()


def rpc(method: Callable[..., Any]) -> Callable[..., Any]:
    entrypoint: Callable[..., Any] = LastingRpc.decorator(method)
    return entrypoint
