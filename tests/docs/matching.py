"""Whether what a page shows is what came: figures of one run may differ, words and counts may not.

`…` stands for anything in a line, and alone on a line for any number of lines.
"""

from __future__ import annotations

import re

ANYTHING = "…"

# What no two runs share, with what it is read as; in this order.
_OF_ONE_RUN = [
    (re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00|Z)?"), "<time>"),
    (re.compile(r"\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "<id>"),
    (re.compile(r"\b[\w.-]+@[\w.-]+:\d+\b"), "<who>"),
    (re.compile(r"\b[0-9A-F]{1,8}/[0-9A-F]{5,8}\b"), "<position>"),
    (re.compile(r"\b(pid|attempts) \d+"), "\\1 <n>"),
    (re.compile(r"\b\d+ entries\b"), "<n> entries"),
    (re.compile(r"\b\d[\d,]*(\.\d+)? ?(s|min|h|d)\b"), "<n> s"),
    (re.compile(r"\b\d[\d,]*(\.\d+)? ?(ms|bytes|kB|MB|GB)\b"), "<n> \\2"),
    (re.compile(r"\b\d[\d,]*\.\d+\b"), "<n>"),
    (re.compile(r"[ \t│┃]+"), " "),
    (re.compile(r"(<n> MB) [\d,]+ (<n> MB)"), r"\1 <n> \2"),  # Rows a second.
    (re.compile(r"[─━┏┓┗┛┡┩└┘├┤┬┴┼╇]+"), ""),
]


def normal(line: str) -> str:
    """The line without what belongs to one run alone."""
    for pattern, instead in _OF_ONE_RUN:
        line = pattern.sub(instead, line)
    return line.strip()


def _pattern(shown: list[str]) -> re.Pattern[str]:
    parts = []
    for line in shown:
        if (plain := normal(line)) == ANYTHING:
            parts.append(r"(?:[^\n]*\n)*?")
        elif plain:
            parts.append("[^\n]*".join(re.escape(part.strip()) for part in plain.split(ANYTHING)) + r"\n")
    return re.compile("".join(parts))


def matches(shown: list[str], came: list[str]) -> bool:
    """Empty lines count nowhere."""
    lines = [plain for line in came if (plain := normal(line))]
    return _pattern(shown).fullmatch("".join(f"{line}\n" for line in lines)) is not None
