"""Links lead somewhere: to pages, headings and files that are there; outside, to places that are known to stay."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from markdown_it.token import Token

from tests.docs.pages import DOCS, pages, tokens
from tests.support.stack import PROJECT

OUTSIDE = {
    "debezium.io", "docs.nameko.io", "nginx.org", "www.postgresql.org", "kubernetes.io", "kafka.apache.org",
    "spinroot.com", "martinfowler.com", "www.rabbitmq.com", "www.w3.org", "github.com",
}  # fmt: skip
"""Not fetched: a page of ours must not go red because somebody else's server is away."""

LINKED = {"link_open": "href", "image": "src"}


def links(page: Path) -> Iterator[str]:
    for token in tokens(page):
        for child in token.children or []:
            if child.type in LINKED:
                yield str(child.attrs[LINKED[child.type]])


def text(token: Token) -> str:
    return "".join(child.content for child in token.children or [] if child.type in ("text", "code_inline"))


@cache
def anchors(page: Path) -> set[str]:
    """As MkDocs and GitHub make them of plain headings: they differ only where a heading has signs in it."""
    found: Counter[str] = Counter()
    names = set()
    for heading, inline in zip(tokens(page), tokens(page)[1:], strict=False):
        if heading.type == "heading_open":
            slug = re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text(inline)).strip().lower())
            names.add(f"{slug}_{found[slug]}" if found[slug] else slug)
            found[slug] += 1
    return names


def wrong(page: Path, link: str) -> str:
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        known = parts.scheme == "https" and parts.netloc in OUTSIDE
        return "" if known or parts.hostname == "127.0.0.1" else f"{link}: not among the known places outside"
    target = (page.parent / parts.path).resolve() if parts.path else page
    if not target.is_file() or not target.is_relative_to(DOCS):
        return f"{link}: there is no such file in docs"
    if parts.fragment and parts.fragment not in anchors(target):
        return f"{link}: {target.relative_to(PROJECT)} has no such heading"
    return ""


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(DOCS)))
def test_every_link_leads_somewhere(page: Path):
    assert not [said for link in links(page) if (said := wrong(page, link))]


def test_every_page_is_in_the_navigation_once():
    assert sorted(pages()) == sorted(DOCS.rglob("*.md"))


def test_every_page_can_be_reached_from_the_first_one():
    seen, waiting = set(), [DOCS / "index.md"]
    while waiting:
        page = waiting.pop()
        if page not in seen:
            seen.add(page)
            found = [(page.parent / urlsplit(link).path).resolve() for link in links(page) if not urlsplit(link).scheme]
            waiting += [one for one in found if one.suffix == ".md"]
    assert sorted(str(page.relative_to(DOCS)) for page in set(pages()) - seen) == []
