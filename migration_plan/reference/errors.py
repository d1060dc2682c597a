"""`docs/reference/errors.md`: every error and refusal, with what it means and what to do next, read from the code."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import ModuleType

import cdc
import migration_plan
import proxy
from cdc.errors import CdcError
from migration_plan.errors import FigError
from migration_plan.terminal import Underlying
from proxy.errors import ProxyError

# Where the code computes what a message or a next step says.
_STEPS = {
    "canary": "fig canary {domain}",
    "cancelled": "run the command again when it suits",
    "contract-broken": "fig contract {domain}",
    "contract-missing": "fig contract {domain}",
    "contract-stale": "fig contract {domain}",
    "counting-began-anew": "nothing to do: the time is counted from now on",
    "document-invalid": "correct the file and run the command again",
    "eject-refused": "each reason says what to do about it",
    "lag": "wait until the copy has caught up: fig sync status {domain}",
    "message-untranslatable": "fig plan check {domain}: the lens and both schemas have to fit",
    "missing-privilege": "give the role what it lacks: docs/managed-postgresql.md has all grants",
    "outbox-error": "see the codes that begin with outbox-",
    "pooled-connection": "name the server itself in the dsn; the application may go on through its pooler",
    "preflight-refused": "each reason says what to do about it",
    "proxy-other-protocol": "fig proxies reload; if that does not help, one version of fig for proxies and controllers",
    "rehearsal-bad": "fig rehearse {domain}",
    "rehearsal-missing": "fig rehearse {domain}",
    "rehearsal-refused": "name a stack file for rehearsals: docs/rehearsing.md",
    "rehearsal-stale": "fig rehearse {domain}",
    "repair-failed": "see the message: what was repaired stays; then fig sync repair {domain}",
    "rollback-too-far": "wait until the stream back has caught up: fig sync status {domain}",
    "shadow": "fig shadow report {domain}",
    "slot-ahead": "none: the stream comes back by itself with what has changed (fig sync status {domain})",
    "slot-invalidated": "none: the stream comes back by itself with what has changed (fig sync status {domain})",
    "slot-missing": "none: the stream comes back by itself with what has changed (fig sync status {domain})",
    "source-behind": "see whether the copy has rows that the owner has lost; then fig sync snapshot {domain}",
    "source-lost-writes": "see whether the copy has rows that the owner has lost; then fig sync snapshot {domain}",
    "source-promoted": "none: the stream goes on by itself with a copy of what has changed (fig sync status {domain})",
    "source-rebuilt": "see whether the copy has rows that the owner has lost; then fig sync snapshot {domain}",
    "unknown-upstream": "name the upstream in fig.yml, or correct the plan",
    "verification-missing": "fig verify {domain}",
    "verification-stale": "fig verify {domain}",
}
_MEANINGS = {
    "contract-stale": "the contract command was run too long ago for the plan",
    "lag": "the copy is further behind than the plan allows",
    "lens": "the lens does not fit to the tables of both sides",
    "rehearsal-bad": "the last rehearsal failed requests or left differing rows",
    "rehearsal-stale": "the last rehearsal is too old for the plan",
    "rollback-too-far": "the way back would keep writes waiting for longer than the plan allows",
    "stage-refused": "the wanted stage cannot follow the present one",
    "too-early": "the monolith's side has not been unused for as long as the plan wants",
    "verification-differs": "the last verification found rows that differ",
    "verification-stale": "the last verification is too old for the plan",
}

BASES: tuple[type[Exception], ...] = (FigError, CdcError, ProxyError)
_PACKAGES = (migration_plan, cdc, proxy)
_NEITHER = frozenset({"migration_plan.model.__main__"})


@dataclass
class Entry:
    """One code: what it means, where it is from, and the next steps that are given with it."""

    code: str
    meaning: str
    exit_code: int | None = None
    next_steps: list[str] = field(default_factory=list)


@cache
def modules() -> tuple[ModuleType, ...]:
    """Of the toolkit, all of them."""
    names = [
        info.name
        for package in _PACKAGES
        for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
        if info.name not in _NEITHER and not info.name.endswith("._tuples")
    ]
    return tuple(importlib.import_module(name) for name in names)


def classes() -> list[type[Exception]]:
    """All error classes of ours, bases left out."""
    modules()
    found: list[type[Exception]] = []
    waiting: list[type[Exception]] = list(BASES)
    while waiting:
        waiting += (one := waiting.pop()).__subclasses__()
        if (
            one not in BASES
            and one not in found
            and one is not Underlying
            and one.__module__.split(".")[0] in {p.__name__ for p in _PACKAGES}
        ):
            found.append(one)
    return sorted(found, key=lambda one: str(vars(one).get("code", one.__name__)))


def _calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            yield name, node


@cache
def _all_calls() -> dict[str, list[ast.Call]]:
    found: dict[str, list[ast.Call]] = {}
    for module in modules():
        # A package's __init__ may be empty, and then has no source to get.
        source = inspect.getsource(module) if Path(str(module.__file__)).stat().st_size else ""
        for name, call in _calls(ast.parse(source)):
            found.setdefault(name, []).append(call)
    return found


def _filled_in(node: ast.expr) -> str:
    """What stands there for a reader: the name of the value, without what the code does to print it."""
    match node:
        case ast.BoolOp(values=[first, *_]) | ast.Subscript(value=first) | ast.BinOp(left=ast.Attribute() as first):
            return _filled_in(first)
        case ast.Call(func=ast.Attribute(value=ast.Constant()), args=[first]):  # ", ".join(names)
            return _filled_in(first)
        case ast.Call(args=[ast.Name(id=name), *_], func=ast.Attribute()):
            return name
        case ast.Call(func=ast.Attribute(value=first)):
            return _filled_in(first)
        case ast.Call(func=ast.Name(), args=[only]):
            return _filled_in(only)
        case ast.Call(func=ast.Name(id=name)):
            return name
        case ast.Attribute(attr=name):
            return name
        case ast.Name(id=name):
            return name.strip("_").lower()
    return ast.unparse(node)


def said(node: ast.expr) -> str:
    """A text as the code has it: what is filled in stands in braces; empty: it is not written there."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(
            str(part.value) if isinstance(part, ast.Constant)
            else "{" + _filled_in(part.value) + "}"
            for part in node.values if isinstance(part, ast.Constant | ast.FormattedValue)
        )  # fmt: skip
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return said(node.left) + said(node.right)
    return ""


def _own_step(one: type[Exception]) -> list[ast.expr]:
    """What a class itself gives as the next step: the second argument of its own constructor."""
    if "__init__" not in vars(one):
        return []
    tree = ast.parse(inspect.getsource(one))
    return [call.args[1] for name, call in _calls(tree) if name == "__init__" and len(call.args) > 1]


def _given_steps(one: type[Exception]) -> list[ast.expr]:
    """What is given where it is raised."""
    calls = _all_calls().get(one.__name__, [])
    given = [call.args[1] for call in calls if len(call.args) == 2]
    return given + [word.value for call in calls for word in call.keywords if word.arg == "next_step"]


def entries() -> list[Entry]:
    """Of all error classes."""
    found = []
    for one in classes():
        nodes = _own_step(one) if "__init__" in vars(one) else _given_steps(one)
        steps = [text for node in nodes if (text := said(node).strip())]
        meaning = " ".join((inspect.getdoc(one) or "").split("\n\n")[0].split())
        code = getattr(one, "exit_code", None)
        found.append(Entry(str(one.code), meaning, code, list(dict.fromkeys(steps))))  # type: ignore[attr-defined]
    return _completed(found)


def _completed(found: list[Entry]) -> list[Entry]:
    for entry in found:
        entry.meaning = entry.meaning or _MEANINGS.get(entry.code, "")
        entry.next_steps = entry.next_steps or [step for step in [_STEPS.get(entry.code)] if step]
    return found


def refusals() -> list[Entry]:
    """Reasons of preflight and gates: one code may be given with several messages."""
    found: dict[str, Entry] = {}
    for call in _all_calls().get("Refusal", []):
        texts = [said(argument) for argument in call.args]
        if not texts or not texts[0]:
            continue
        entry = found.setdefault(texts[0], Entry(texts[0], ""))
        if len(texts) > 1 and texts[1] and texts[1] not in entry.meaning:
            entry.meaning = f"{entry.meaning} · {texts[1]}" if entry.meaning else texts[1]
        entry.next_steps += [text for text in texts[2:3] if text and text not in entry.next_steps]
    return _completed(sorted(found.values(), key=lambda entry: entry.code))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def _table(found: list[Entry], with_exit: bool) -> list[str]:
    head = ["| code | meaning | what to do | exit code |", "|---|---|---|---|"]
    if not with_exit:
        head = ["| code | message | what to do |", "|---|---|---|"]
    lines = []
    for entry in found:
        line = f"| `{entry.code}` | {_cell(entry.meaning)} | {_cell(' · '.join(entry.next_steps)) or '–'} |"
        number = f" [{int(entry.exit_code)}](exit-codes.md) |" if entry.exit_code is not None else " |"
        lines.append(line + number if with_exit else line)
    return [*head, *lines]


def errors(printed: str) -> str:
    """The page."""
    return "\n".join([
        "# Errors", "", printed, "",
        "Each error has a code that stays (in brackets before the message; `error` in `--json`), a message with",
        "the facts, and the next step.",
        "What stands in {braces} is filled in. No message holds values of rows, secrets or personal data.", "",
        "## Errors of commands, streams and proxies", "", *_table(entries(), True), "",
        "## Reasons of a refusal", "",
        "They come together, all at once, with `preflight-refused` (`eject-refused`); nothing was changed.", "",
        *_table(refusals(), False), "",
    ])  # fmt: skip
