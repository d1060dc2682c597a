"""`docs/reference/plan.md` and `settings.md`: every key of a plan and of fig.yml, read from the models.

What a key means stands beside it in the code: a comment on its line, or the text below it.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import textwrap
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from migration_plan.configuration.documents import Part

_THERE = "as there"

_PLAIN = {
    "str": "text", "int": "number", "float": "number", "bool": "true or false", "Duration": "duration",
    "Bytes": "amount", "Share": "share", "Rate": "share", "Path": "path", "Stage": "stage", "Any": "…",
    "Words": "list of text",
}  # fmt: skip
"""How a type of the code is called in a file. Other names of types are texts with a pattern."""


@dataclass(frozen=True)
class Key:
    """One key: how it is written, what it is when it is left out (None: it has to be there), what it means."""

    name: str
    written: str
    default: str | None
    meaning: str
    parts: tuple[str, ...]


def _comments(source: str) -> dict[int, str]:
    """By the line that they are about: their own, or the one below if they stand alone."""
    found = {}
    for one in tokenize.generate_tokens(io.StringIO(source).readline):
        if one.type == tokenize.COMMENT:
            stands_alone = not one.line[: one.start[1]].strip()
            found[one.start[0] + stands_alone] = one.string.lstrip("# ")
    return found


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """By field, as it stands in the code; fields of a base are the base's."""
    source = textwrap.dedent(inspect.getsource(model))
    comments = _comments(source)
    body = ast.parse(source).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101
    found = {}
    for node, after in zip(body.body, [*body.body[1:], None], strict=True):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            below = after.value if isinstance(after, ast.Expr) else None
            text = str(below.value) if isinstance(below, ast.Constant) else ""
            text = text or comments.get(node.end_lineno or 0) or comments.get(node.lineno, "")
            found[node.target.id] = " ".join(text.split())
    return found


def types(model: type[BaseModel]) -> dict[str, ast.expr]:
    """As written, so that a duration is called one."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)  # noqa: S101
    return {
        node.target.id: node.annotation
        for node in body.body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _name(node: ast.expr) -> str:
    return node.id if isinstance(node, ast.Name) else ast.unparse(node)


def _words(node: ast.expr, parts: list[str], known: dict[str, type[BaseModel]]) -> str:
    """A type in the words of a file; parts that have keys of their own are gathered."""
    if isinstance(node, ast.BinOp):
        sides = [side for side in (node.left, node.right) if _name(side) != "None"]
        return " or ".join(_words(side, parts, known) for side in sides)
    if isinstance(node, ast.Subscript):
        outer, inner = _name(node.value), node.slice
        inside = list(inner.elts) if isinstance(inner, ast.Tuple) else [inner]
        if outer == "Literal":
            return " or ".join(f"`{ast.literal_eval(one)}`" for one in inside)
        if outer == "Annotated" and "_age" in ast.unparse(inner):
            return "duration or `never`"
        if outer == "Annotated":
            return _words(inside[0], parts, known)
        if outer in ("tuple", "list"):
            return f"list of {_words(inside[0], parts, known)}"
        return f"map: {_words(inside[0], parts, known)} → {_words(inside[1], parts, known)}"
    name = _name(node)
    if name in known:
        parts.append(name)
        return f"[{name}](#{name.lower()})"
    return _PLAIN.get(name, "text")


def seconds_said(value: float) -> str:
    """3600.0 -> 1h."""
    for unit, size in (("d", 86400), ("h", 3600), ("m", 60)):
        if value >= size and value % size == 0:
            return f"{value / size:g}{unit}"
    return f"{value:g}s" if value >= 1 else f"{value * 1000:g}ms"


def _said(value: object, type_name: str) -> str:
    match value:
        case None | "" | () | {}:
            return "–"
        case bool():
            return str(value).lower()
        case BaseModel():
            return _THERE
        case list() | tuple():
            return "[" + ", ".join(_said(one, type_name) for one in value) + "]"
        case int() | float() if "Bytes" in type_name:
            return f"{value / 1024**3:g}GB"
        case int() if "Share" in type_name:
            return f"{value / 100:g}%"
        case float() if "Share" in type_name or "Rate" in type_name:
            return f"{value * 100:g}%"
        case float() if "Duration" in type_name or "_age" in type_name:
            return seconds_said(value)
        case _:
            return str(value)


def keys(model: type[BaseModel], known: dict[str, type[BaseModel]]) -> list[Key]:
    """All keys that a file may have there."""
    texts, written = meanings(model), types(model)
    found = []
    for name, info in model.model_fields.items():
        if info.exclude:
            continue
        parts: list[str] = []
        type_name = ast.unparse(written[name])
        value: Any = info.default_factory() if info.default_factory else info.default  # type: ignore[call-arg]
        default = None if value is PydanticUndefined else _said(value, type_name)
        found.append(
            Key(info.alias or name, _words(written[name], parts, known), default, texts.get(name, ""), tuple(parts))
        )
    return found


def _parts(root: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """Parts that can stand below the root, by name; names are unique in one file, not in all of them."""
    found: dict[str, type[BaseModel]] = {}
    waiting: list[type[BaseModel]] = [Part]
    while waiting:
        waiting += (one := waiting.pop()).__subclasses__()
        if one.__module__ == root.__module__ or one.__module__.endswith("_rules"):
            found[one.__name__] = one
    return found


def in_order(root: type[BaseModel]) -> Iterator[tuple[str, type[BaseModel], list[Key]]]:
    """The root and every part that can stand below it, each once, in the order of the file."""
    known = _parts(root)
    waiting, seen = [root], set()
    while waiting:
        model = waiting.pop(0)
        if model.__name__ not in seen:
            seen.add(model.__name__)
            found = keys(model, known)
            yield model.__name__, model, found
            waiting += [known[part] for key in found for part in key.parts]


_HEAD = ("| key | is | left out | meaning |", "|---|---|---|---|")


def _left_out(default: str | None) -> str:
    if default is None:
        return "**must be there**"
    return default if default in ("–", _THERE) else f"`{default}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def page(title: str, root: type[BaseModel], intro: list[str]) -> str:
    """Every key in tables, a heading for each part."""
    lines = [f"# {title}", "", *intro, ""]
    for name, model, found in in_order(root):
        says = re.split(r"\n\n|(?<=\.)\s", model.__doc__ or "")[0]
        lines += [f"## {name}", "", " ".join(says.split()), "", *_HEAD]
        for key in found:
            lines.append(f"| `{key.name}` | {key.written} | {_left_out(key.default)} | {_cell(key.meaning)} |")
        lines.append("")
    return "\n".join(lines)
