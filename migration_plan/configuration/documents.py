"""Settings in YAML: read, filled with variables, validated. Every problem of a file comes in one message."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from migration_plan.errors import FigError
from migration_plan.exit_codes import Exit

# ${NAME}, ${NAME:-otherwise}, ${NAME:+if it is set}; the text after the sign may hold two more levels of the same.
_INNERMOST = r"\$\{[^{}]*\}"
_INNER = rf"\$\{{(?:[^{{}}]|{_INNERMOST})*\}}"
_VARIABLE = re.compile(rf"\$\{{([A-Za-z_][A-Za-z0-9_]*)(?::([-+])((?:[^{{}}]|{_INNER})*))?\}}")


class DocumentInvalid(FigError):
    """A settings file that cannot be meant; nothing was changed."""

    code = "document-invalid"
    exit_code = Exit.NOT_MEANT

    def __init__(self, path: Path, problems: list[str], next_step: str = "") -> None:
        lines = problems[0] if len(problems) == 1 else "\n" + "\n".join(f"  - {problem}" for problem in problems)
        super().__init__(f"{path}: {lines}", next_step or f"correct {path} and run the command again")
        self.problems = problems


class Part(BaseModel):
    """Base of all values that come from a file: frozen, strict, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


Model = TypeVar("Model", bound=Part)


class _Loader(yaml.CSafeLoader):
    """YAML that refuses a key given twice instead of silently taking the last one.

    In C: every command reads all plans first, and in Python that would be a third of what a switch computes.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[Any] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if key in seen:
                raise yaml.constructor.ConstructorError(None, None, f'key "{key}" is given twice', key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


@lru_cache(maxsize=32)
def _parsed(text: str) -> Any:
    """Daemons and the console read the same plans again and again; nobody changes what they are given."""
    return yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)


def read(path: Path) -> dict[str, Any]:
    """The document as it stands in the file, variables not yet filled in. Not to be changed: `fill` makes another."""
    try:
        document = _parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DocumentInvalid(path, [f"cannot be read: {error.strerror}"], "run fig where the file is") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DocumentInvalid(path, [f"is not valid YAML: {' '.join(str(error).split())}"]) from error
    if not isinstance(document, dict):
        raise DocumentInvalid(path, ["is not a mapping of settings"])
    return document


def fill(path: Path, value: Any, variables: Mapping[str, str]) -> Any:
    """`value` with ${NAME}, ${NAME:-default} and ${NAME:+if set} replaced; every missing variable is named."""
    missing: dict[str, None] = {}
    filled = _fill(value, variables, missing)
    if missing:
        names = ", ".join(missing)
        raise DocumentInvalid(
            path,
            [f"variable {names} is not set" if len(missing) == 1 else f"variables {names} are not set"],
            "start the stack with 'fig up', which sets what it knows, or set the rest yourself",
        )
    return filled


def _fill(value: Any, variables: Mapping[str, str], missing: dict[str, None]) -> Any:
    def replace(match: re.Match[str]) -> str:
        name, sign, text = match[1], match[2], match[3]
        found = variables.get(name)
        if sign == "+":
            return _VARIABLE.sub(replace, text) if found else ""
        if sign == "-":
            return found or _VARIABLE.sub(replace, text)
        if not found:
            missing[name] = None
        return found or ""

    if isinstance(value, dict):
        return {key: _fill(item, variables, missing) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, variables, missing) for item in value]
    return _VARIABLE.sub(replace, value) if isinstance(value, str) else value


def validate(path: Path, model: type[Model], document: Any) -> Model:
    """The document as a frozen value; DocumentInvalid lists every problem with its place."""
    try:
        return model.model_validate(document)
    except ValidationError as error:
        raise DocumentInvalid(path, [_said(dict(problem)) for problem in error.errors()]) from error


def _said(problem: dict[str, Any]) -> str:
    place = ".".join(str(step) for step in problem["loc"])
    if problem["type"] == "extra_forbidden":
        return f'unknown key "{place}"'
    if problem["type"] == "missing":
        return f'key "{place}" is missing'
    message = str(problem["msg"]).removeprefix("Value error, ")
    return f"{place}: {message}" if place else message
