"""`docs/reference/commands.md`: every command of `fig` with its arguments, options, examples and the role it needs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from migration_plan.cli import main
from migration_plan.journal.access import NEEDS


def commands() -> Iterator[tuple[str, click.Command]]:
    """By the words that one types, `fig` left out; groups are no commands."""
    waiting: list[tuple[str, click.Command]] = sorted(main.commands.items())
    while waiting:
        words, command = waiting.pop(0)
        if isinstance(command, click.Group):
            waiting = [(f"{words} {name}", one) for name, one in sorted(command.commands.items())] + waiting
        else:
            yield words, command


def _text(command: click.Command) -> list[str]:
    """The help as paragraphs; examples as they stand."""
    lines: list[str] = []
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        if paragraph.startswith("\b"):
            head, *rest = paragraph.removeprefix("\b").strip("\n").split("\n")
            lines += [head, "", "```text", *(line.removeprefix("  ") for line in rest), "```", ""]
        else:
            lines += [paragraph, ""]
    return lines


def _options(command: click.Command) -> list[str]:
    found = [one for one in command.params if isinstance(one, click.Option) and not one.hidden]
    if not found:
        return []
    lines = ["| option | meaning |", "|---|---|"]
    for one in found:
        value = "" if one.is_flag else f" {one.make_metavar(click.Context(command))}"
        shown = ", ".join([*one.opts, *one.secondary_opts]) + value
        lines.append(f"| `{shown}` | {(one.help or '').strip()} |".replace("[", "").replace("]", ""))
    return [*lines, ""]


def page(printed: str) -> str:
    """All commands in the order of their names."""
    lines = [
        "# Commands", "", printed, "",
        "How they end: [exit codes](exit-codes.md). With tokens in use (`fig token`) a command needs the role that is",
        "named; without any token everybody who reaches the databases may do everything.", "",
    ]  # fmt: skip
    for words, command in commands():
        usage = " ".join(command.collect_usage_pieces(click.Context(command)))
        role = f"Needs the role `{NEEDS[words]}`." if words in NEEDS else "Asks for no token."
        lines += [f"## fig {words}", "", "```text", f"fig {words} {usage}", "```", "", *_text(command), role, ""]
        lines += _options(command)
    return "\n".join(lines)
