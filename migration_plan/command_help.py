"""How `fig --help` lists what there is: by what it is for, each command with its whole first sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import click

SECTIONS: Mapping[str, tuple[str, ...]] = {
    "A domain on its way": (
        "plan", "advance", "shadow", "canary", "contract", "rehearse", "verify", "rollback", "resume", "eject",
    ),
    "What is the matter": ("status", "doctor", "history", "console"),
    "Streams and events": ("sync", "dead-letters", "outbox"),
    "The stack on this machine": ("up", "down", "stop", "logs"),
    "Access, proxies, tables": ("token", "journal", "proxies", "help"),
    "Started by the stack file": ("controller", "streams"),
}  # fmt: skip
"""The commands right below `fig`; each is in one of these."""

ENDS = "How it ends: fig help exit-codes. What an error means, by its [name]: docs/reference/errors.md."
_WHOLE = 1000
"""No first sentence is as long: none is cut."""


class ListedGroup(click.Group):
    """Lists commands under headings, or under one where they have none."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        for title, names in self._listed():
            with formatter.section(title):
                formatter.write_dl([(name, self.commands[name].get_short_help_str(_WHOLE)) for name in names])

    def _listed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield "Commands", tuple(sorted(self.commands))


class ListedBySection(ListedGroup):
    """`fig` itself."""

    group_class = ListedGroup

    def _listed(self) -> Iterator[tuple[str, tuple[str, ...]]]:
        yield from SECTIONS.items()
