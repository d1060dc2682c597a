"""Nameko's RPC entrypoint, made to outlive its broker: `@rpc` on a method.

The stock one ends the process when a reply cannot be sent, ends it again and again when a message asks for no
reply, holds a worker while a frozen broker is published to, and never stops while the broker does not answer.
"""

from __future__ import annotations

import contextlib
import inspect
import logging
from collections.abc import Callable
from functools import wraps
from typing import Any

import eventlet
from amqp.exceptions import AMQPError  # type: ignore[import-untyped]
from eventlet.support.greenlets import GreenletExit
from kombu.exceptions import KombuError
from nameko import rpc as stock
from nameko.messaging import QueueConsumer

from extracted.platform import spans
from extracted.platform.problems import Refusal

log = logging.getLogger(__name__)

STOP_S = 3.0
REPLY_S = 10.0
_BROKER_ERRORS = (AMQPError, KombuError, OSError)


class PatientQueueConsumer(QueueConsumer):  # type: ignore[misc,unused-ignore]
    """Waits for the broker in the background, takes a quarter of the workers at most, and stops in time."""

    def __init__(self) -> None:
        super().__init__()
        self._starting = False
        self._given_up = False

    @property
    def prefetch_count(self) -> int:
        workers: int = self.container.max_workers
        return max(1, workers // 4)

    def start(self) -> None:
        if not self._starting:
            self._starting = True
            self._gt = self.container.spawn_managed_thread(self.run)

    def unregister_provider(self, provider: Any) -> None:
        if self._consumers_ready.ready():
            with eventlet.Timeout(STOP_S, False):
                super().unregister_provider(provider)
                return
            log.warning("the broker did not answer while the service was stopping")
        # Either there is no connection yet, or one to a broker that is frozen.
        self._given_up = True
        self._gt.kill()
        self._providers.discard(provider)

    def stop(self) -> None:
        if self._given_up:
            return
        with eventlet.Timeout(STOP_S, False), contextlib.suppress(GreenletExit):
            self._gt.wait()

    def kill(self) -> None:
        if self._gt is not None:
            self._gt.kill()


class LastingRpcConsumer(stock.RpcConsumer):  # type: ignore[misc,unused-ignore]
    queue_consumer = PatientQueueConsumer()

    def handle_result(self, message: Any, result: Any, exc_info: Any) -> tuple[Any, Any]:
        if not {"reply_to", "content_type"} <= message.properties.keys():
            log.warning("an RPC message that cannot be replied to was dropped")
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
    @wraps(method)
    def serve(service: Any, *arguments: Any, **named: Any) -> Any:
        facts = {"rpc.system": "nameko", "rpc.service": service.name, "rpc.method": method.__name__}
        with spans.step(f"{service.name}/{method.__name__}", "SERVER", facts):
            return method(service, *arguments, **named)

    # Nameko looks here whether a call fits.
    serve.__signature__ = inspect.signature(method)  # type: ignore[attr-defined]
    entrypoint: Callable[..., Any] = LastingRpc.decorator(expected_exceptions=(Refusal,))(serve)
    return entrypoint
