"""python -m migration_plan.console.worker: carries out one order, read from standard input, and says what happens.

A process of its own, so that neither a closed page nor the end of the console ends a switch. Should this process die
in one, the controller goes on with it as with any other.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from types import FrameType
from typing import Any

import psycopg

from cdc.errors import CdcError
from cdc.masking import of_database
from migration_plan import bootstrap
from migration_plan.canary import acts as canary
from migration_plan.comparing.verification import shown, verify_domain
from migration_plan.console.orders import Order, act_named, needed_role
from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit
from migration_plan.moving.moves import Mover
from migration_plan.rehearsal.run import rehearse
from migration_plan.terminal import Underlying
from proxy.errors import ProxyError

ROUNDS = 5
"""Of a rehearsal, as `fig rehearse` has them."""
TOLD_TO_END = (signal.SIGINT, signal.SIGTERM)
_BEGAN = time.monotonic()


class RehearsalStopped(FigError):
    """Somebody has ended a rehearsal before it was over: its copies are gone, and it says nothing."""

    code = "rehearsal-stopped"
    exit_code = Exit.CANCELLED


def tell(**what: object) -> None:
    """One line for the console. Once it is gone nobody listens, and the order goes on: the journal has it all."""
    line = json.dumps({"ms": round((time.monotonic() - _BEGAN) * 1000, 1), **what}, default=str)
    with contextlib.suppress(BrokenPipeError):
        print(line, flush=True)


def say(message: str) -> None:
    tell(said=message)


def _resume(mover: Mover, order: Order) -> dict[str, Any]:
    del order
    decision = mover.resume()
    return {"case": decision.case, "reason": decision.reason}


def _verify(mover: Mover, order: Order) -> dict[str, Any]:
    del order
    report = shown(mover.parts, verify_domain(mover.parts), False)
    return {"rows": report.rows, "differences": report.count, "seconds": report.seconds}


def _rehearse(mover: Mover, order: Order) -> dict[str, Any]:
    """It may end anywhere: nothing live is touched. Whatever it has made is cleared away first."""
    for number in TOLD_TO_END:
        signal.signal(number, _interrupt)
    try:
        report = rehearse(mover.parts, dict(os.environ), ROUNDS, say)
    except KeyboardInterrupt:
        raise RehearsalStopped(
            "stopped before it was over; its copies are gone", f"fig rehearse {order.domain}"
        ) from None
    return {"text": str(report), "good": report.is_good, "problems": report.problems}


def _interrupt(number: int, frame: FrameType | None) -> None:
    """As Ctrl-C; what clears away is not interrupted again."""
    del number, frame
    for one in TOLD_TO_END:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt


CARRY_OUT: Mapping[str, Callable[[Mover, Order], dict[str, Any]]] = {
    "advance": lambda mover, order: mover.move(True, order.to).as_json(),
    "rollback": lambda mover, order: mover.move(False, order.to).as_json(),
    "freeze": lambda mover, order: canary.freeze(mover.parts).as_json(),
    "thaw": lambda mover, order: canary.thaw(mover.parts).as_json(),
    "accept": lambda mover, order: mover.accept_schema().as_json(),
    "resume": _resume,
    "verify": _verify,
    "rehearse": _rehearse,
}


def main() -> None:
    """Ends with 0 whatever came of it: that is in the last line."""
    order = Order.parse(json.loads(sys.stdin.read()))
    try:
        with bootstrap.opened(order.domain, say, order.reason) as mover:
            for number in TOLD_TO_END:
                # As Ctrl-C at the command: it is taken back if it is not decided yet.
                signal.signal(number, lambda *_: mover.cancelled.set())
            mover.parts.journal.act_as(order.access, order.who)
            mover.parts.journal.demand(needed_role(act_named(order.act), order.to), f"fig {order.act}")
            tell(result=CARRY_OUT[order.act](mover, order))
    except FigError as error:
        tell(error=error.as_json())
    except (CdcError, ProxyError) as error:
        tell(error=Underlying(error).as_json())
    except psycopg.Error as error:
        tell(error=FigError(f"a database refused what fig asked of it: {of_database(error)}", "fig status").as_json())


if __name__ == "__main__":
    main()
