"""What is wrong with a page as it stands: for those who listen, who type, who hold a phone, who sit in the dark.

One look for all of it: the page is loaded once, and is as it was afterwards.
"""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, ViewportSize

NARROW = ViewportSize(width=360, height=740)

_OWN = """() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    const ids = all('[id]').map((one) => one.id);
    const named = all('[aria-describedby], [aria-labelledby], label[for]').flatMap((one) =>
        (one.getAttribute('aria-describedby') || one.getAttribute('aria-labelledby') || one.htmlFor).split(' '));
    return {
        'unlabelled': all('input, select, textarea, button, a')
            .filter((one) => one.checkVisibility() && !one.closest('[aria-hidden=true]'))
            .filter((one) => !(one.labels?.length || one.getAttribute('aria-label') || one.textContent.trim()))
            .map((one) => one.outerHTML),
        'double ids': ids.filter((id, place) => ids.indexOf(id) !== place),
        'missing targets': named.filter((id) => !document.getElementById(id)),
        'main headings besides one': all('h1').filter((one) => one.checkVisibility()).length - 1,
        'heads and mains besides one': all('main').length + all('body > header').length - 2,
        'scripts or styles inside': all('script:not([src]), style, [style], [onclick]').length,
        'moves though asked not to': document.getAnimations().map((one) => one.animationName),
        'too wide': document.documentElement.scrollWidth - document.documentElement.clientWidth,
    };
}"""
# Targets are to be 24 pixels each way, or as far apart (WCAG 2.2); axe-core asks for it only when told to.
_AXE = """async (options) => (await axe.run(document, {resultTypes: ['violations'], ...options})).violations
    .map((one) => [one.id, one.nodes.slice(0, 3).map((node) => node.target.join(' '))])"""
_EVERYTHING = {"rules": {"target-size": {"enabled": True}}}
_BY_SIZE_AND_COLOUR = {"runOnly": ["target-size", "color-contrast"]}
_IN_SIGHT = """() => ['too wide', document.documentElement.scrollWidth - document.documentElement.clientWidth]"""


def violations(page: Page, options: dict[str, Any] | None = None) -> dict[str, list[str]]:
    """What axe-core finds wrong on the page as it is now, by rule, with the first elements."""
    if not page.evaluate("() => 'axe' in window"):
        # As a file, not as the wrapper around it: evaluated by the debugger, so that the page's policy may be strict.
        page.evaluate(files("axe_playwright_python").joinpath("axe.min.js").read_text(encoding="utf-8"))
    return dict(page.evaluate(_AXE, options or _EVERYTHING))


def faults(page: Page, picture: Path | None = None) -> dict[str, Any]:
    """On a desktop as it is; then at 360 pixels and in the dark. `picture`: kept of both, the second one as …-small."""
    found = {what: one for what, one in page.evaluate(_OWN).items() if one}
    found |= violations(page)
    keep(page, picture)
    before = page.viewport_size
    page.set_viewport_size(NARROW)
    page.emulate_media(color_scheme="dark")
    what, wide = page.evaluate(_IN_SIGHT)
    small = violations(page, _BY_SIZE_AND_COLOUR) | ({what: wide} if wide else {})
    keep(page, picture and picture.with_stem(f"{picture.stem}-small"))
    page.emulate_media(color_scheme="light")
    if before:
        page.set_viewport_size(before)
    return found | {f"{what}, small and dark": one for what, one in small.items()}


def keep(page: Page, picture: Path | None) -> None:
    if picture is not None:
        picture.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=picture, full_page=True)
