"""`docs/pictures/switch.svg`: the steps of a switch as a sequence, drawn from the steps themselves."""

from __future__ import annotations

from html import escape
from typing import Any

from migration_plan.configuration.plan import Plan
from migration_plan.lifecycle import Act, Row, Side, Stage
from migration_plan.moving.steps import Move, Step, steps

# Who is asked in each step, besides the controller: a place in `_LANES`. A step that is not here cannot be drawn.
_AT = {
    "preflight": 4, "crossing": 3, "intent": 1, "wait": 3, "hold": 2, "fence": 3, "drain": 4, "release": 3, "grant": 4,
    "route": 2, "reverse": 3, "done": 1,
}  # fmt: skip
_LANES = ("controller", "journal", "proxies", "giver's database", "taker's database")
_X = (90, 250, 420, 620, 830)
_TOP, _ROW, _WIDTH = 96, 58, 960
_DECIDED = "release"
_SIDE: dict[str, Any] = {"dsn": "giver", "upstream": "giver"}


def example() -> list[Step]:
    """The steps of the smallest plan."""
    plan = Plan.model_validate({
        "domain": "catalog", "stages": ["monolith", "sync", "service"], "routes": [{"path": "/api/catalog"}],
        "sides": {"monolith": _SIDE, "service": {"dsn": "taker", "upstream": "taker"}},
        "tables": [{"monolith": "public.products", "service": {"public.product": {"id": "id"}}}],
    })  # fmt: skip
    owner = Row(Side.MONOLITH, "owner", 7)
    return steps(Move(plan, Stage.SYNC, Stage.SERVICE, Act.SWITCH, owner))


def _lines(text: str, width: int = 96) -> list[str]:
    found = [""]
    for word in text.split():
        if len(found[-1]) + len(word) > width:
            found.append("")
        found[-1] = f"{found[-1]} {word}".strip()
    return found


def _step(number: int, step: Step, top: int) -> list[str]:
    x, color = _X[_AT[step.name]], "#a33" if step.name == _DECIDED else "#2f7d46"
    said = _lines(step.what)
    shown = said[0] + (" …" if len(said) > 1 else "")
    return [
        f'<path d="M{_X[0]} {top}H{x - 6}" stroke="{color}" stroke-width="1.8" marker-end="url(#tip)"/>',
        f'<circle cx="{_X[0]}" cy="{top}" r="11" fill="{color}"/>',
        f'<text x="{_X[0]}" y="{top + 4}" text-anchor="middle" fill="#fff" font-size="12">{number}</text>',
        f'<text x="{_X[0] + 18}" y="{top - 8}" font-weight="600" fill="{color}">{escape(step.name)}</text>',
        f'<text x="{_X[0] + 18}" y="{top + 19}" font-size="12" fill="#3d4a3f">{escape(shown)}</text>',
    ]


def switch() -> str:
    """The picture."""
    drawn = example()
    height = _TOP + _ROW * len(drawn) + 20
    tops = {step.name: _TOP + _ROW * number for number, step in enumerate(drawn)}
    waits = tops["hold"], tops["route"]
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" role="img"'
        ' font-family="system-ui, \'DejaVu Sans\', sans-serif" font-size="14">',
        "<title>The steps of a switch: who is asked what, and from when to when writes wait</title>",
        '<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 10 5 0 10z" fill="#3d4a3f"/></marker></defs>',
        f'<rect width="{_WIDTH}" height="{height}" rx="14" fill="#fbfaf6"/>',
        f'<rect x="20" y="{waits[0]}" width="34" height="{waits[1] - waits[0]}" rx="6" fill="#f3d9a4"/>',
        f'<text transform="translate(42 {(waits[0] + waits[1]) // 2}) rotate(-90)" text-anchor="middle" fill="#22301f">'
        "writes wait, reads go on</text>",
    ]
    for x, name in zip(_X, _LANES, strict=True):
        lines += [
            f'<path d="M{x} 52V{height - 16}" stroke="#c9c4b4" stroke-width="1.4"/>',
            f'<text x="{x}" y="36" text-anchor="middle" font-weight="600" fill="#22301f">{escape(name)}</text>',
        ]
    for number, step in enumerate(drawn):
        lines += _step(number, step, tops[step.name])
    return "\n".join([*lines, "</svg>", ""])
