"""How commands speak: one message and one next step for each error, tables for people, JSON for programs."""

from __future__ import annotations

import functools
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NoReturn, TypeVar

import click
import psycopg

from cdc.errors import CdcError
from cdc.masking import of_database
from migration_plan.command_help import ENDS, ListedBySection
from migration_plan.errors import FigError
from migration_plan.gate import Gate
from migration_plan.journal.access import NEEDS, Role
from proxy.errors import ProxyError

F = TypeVar("F", bound=Callable[..., Any])


class FigGroup(ListedBySection):
    """Turns errors that a person should see into a message, a next step and an exit code, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except FigError as error:
            _end_with(error)
        except (CdcError, ProxyError) as error:
            _end_with(Underlying(error))
        except psycopg.Error as error:
            _end_with(FigError(f"a database refused what fig asked of it: {of_database(error)}", "fig status"))


def commands(group: click.Group, above: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command below a group, with the words that call it."""
    for name, command in group.commands.items():
        words = f"{above}{name}"
        if isinstance(command, click.Group):
            yield from commands(command, f"{words} ")
        else:
            yield words, command


def guard(group: click.Group) -> None:
    """Before a command acts, whoever gives it must have the role that the table says; its help says how it ends."""
    for words, command in commands(group):
        command.epilog = ENDS
        if words in NEEDS and command.callback is not None:
            command.callback = _guarded(words, NEEDS[words], command.callback)


def _guarded(words: str, needed: Role, act: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(act)
    def guarded(*arguments: Any, **options: Any) -> Any:
        from migration_plan import bootstrap

        bootstrap.demand(needed, f"fig {words}")
        return act(*arguments, **options)

    return guarded


class Underlying(FigError):
    """An error of the stream or of a proxy, said in fig's words."""

    def __init__(self, error: CdcError | ProxyError) -> None:
        super().__init__(str(error), error.next_step)
        self.code = error.code


def _end_with(error: FigError) -> NoReturn:
    if "--json" in sys.argv[1:]:
        click.echo(json.dumps(error.as_json()))
    else:
        click.secho(f"[{error.code}] {error}", fg="red", err=True)
        if error.next_step:
            click.echo(f"next: {error.next_step}", err=True)
    sys.exit(error.exit_code)


def json_option(command: F) -> F:
    return click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of text.")(command)


def reason_option(command: F) -> F:
    return click.option("--reason", default="", metavar="TEXT", help="Why, for the journal.")(command)


def show_gates(gates: Iterable[Gate]) -> None:
    """One line a gate: what it is, green or red, figure and limit."""
    for gate in gates:
        word = "holds" if gate.is_met else "is shut"
        follow = "" if gate.is_met else f"   ({gate.next_step}{'; can be forced' if gate.can_be_forced else ''})"
        click.secho(f"  gate {gate.name:<17} {word:<8} {gate.figure}; wants {gate.limit}{follow}",
                    fg="green" if gate.is_met else "red")  # fmt: skip


def load_environment() -> None:
    """Take over env.json of the local stack, if there is one; what is set already wins."""
    from migration_plan.local.site import Place, saved_environment

    for name, value in saved_environment(Place.of(os.environ).state).items():
        os.environ.setdefault(name, value)
