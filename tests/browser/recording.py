"""python -m tests.browser.recording FOLDER: the console's pictures for the docs, taken on a stack of their own.

console.png: the overview with one domain moved and others on their way. switch.gif: a switch as a person sees it.
"""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path
from typing import cast

from PIL import Image
from playwright.sync_api import Page, ViewportSize, expect

from tests.browser.consoles import always_somebody_writing
from tests.browser.operators import Operator
from tests.browser.people import chromium
from tests.load.moving import Moving
from tests.support.stack import Stack, running_stack

FRAME = 0.12
"""Seconds between two pictures."""
LONGEST = 2.5
"""Seconds for which a picture that does not change is shown."""
SIZE = ViewportSize(width=940, height=700)
PLAIN, RARE = 120, 80
"""Colours that are kept as they are, and those that stand for all others."""


class Film:
    """Pictures of a page while something happens, each shown for as long as it was so."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._frames: list[tuple[float, bytes]] = []

    def look(self) -> None:
        self._frames.append((time.monotonic(), self._page.screenshot()))

    def look_while(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.look()
            self._page.wait_for_timeout(FRAME * 1000)

    def save(self, path: Path) -> None:
        kept: list[tuple[float, bytes]] = []
        for at, shot in self._frames:
            if not kept or kept[-1][1] != shot:
                kept.append((at, shot))
        ends = [at for at, _ in kept[1:]] + [kept[-1][0] + LONGEST]
        shown = [round(1000 * min(LONGEST, end - at)) for (at, _), end in zip(kept, ends, strict=True)]
        pictures = [Image.open(io.BytesIO(shot)).convert("RGB") for _, shot in kept]
        # One palette for all, so that only what has changed is stored again.
        together = Image.new("RGB", (SIZE["width"], len(pictures) * SIZE["height"]))
        for number, one in enumerate(pictures):
            together.paste(one, (0, number * SIZE["height"]))
        palette = _palette(together)
        first, *others = [one.quantize(palette=palette, dither=Image.Dither.NONE) for one in pictures]
        first.save(path, save_all=True, append_images=others, duration=shown, loop=0, optimize=True)


def _palette(picture: Image.Image) -> Image.Image:
    """Surfaces keep their own colour; what there is little of, as buttons, is not lost among their shades."""
    counted = cast("list[tuple[int, tuple[int, ...]]]", picture.getcolors(picture.width * picture.height))
    plain = [part for _, colour in sorted(counted, reverse=True)[:PLAIN] for part in colour]
    rare = picture.quantize(RARE, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE).getpalette() or []
    found = Image.new("P", (1, 1))
    found.putpalette([*plain, *rare[: 3 * RARE]])
    return found


def take(stack: Stack, folder: Path, on_their_way: tuple[str, ...]) -> None:
    """Leaves the catalog with its service, and the others in sync."""
    folder.mkdir(parents=True, exist_ok=True)
    for domain in ("catalog", *on_their_way):
        Moving(stack, domain).begin_sync()
    with chromium() as browser:
        ada = Operator(browser, stack.env["FIG_CONSOLE_URL"], "Ada Fern")
        ada.page.set_viewport_size(SIZE)
        ada.enters(stack)
        film = Film(ada.page)
        ada.page.goto("/domains/catalog/advance?to=service")
        film.look_while(1.5)
        ada.page.get_by_label("Why?").fill("the rehearsal was good")
        film.look_while(1.0)
        with always_somebody_writing(stack.env["FIG_MONOLITH_ADMIN_DSN"]):
            ada.page.get_by_role("button", name="Advance to service").click()
            expect(ada.page.locator("#run .steps")).to_be_visible()
            ada.page.locator("section.switch").evaluate("one => one.scrollIntoView()")
            film.look()
            expect(ada.page.locator("#run .notice")).to_contain_text("nobody is held")
            film.look_while(2.0)
        film.look_while(4.0)
        ada.sees_it_end()
        film.look()
        film.save(folder / "switch.gif")
        ada.page.set_viewport_size({"width": 1180, "height": 900})
        ada.page.goto("/")
        ada.page.wait_for_timeout(1500)
        ada.page.screenshot(path=folder / "console.png")
        ada.leaves()


def main() -> None:
    for stack in running_stack({"SHOP_USERS": "20", "SHOP_PRODUCTS": "60", "SHOP_ORDERS": "40"}):
        take(stack, Path(sys.argv[1]), ("users", "payments"))


if __name__ == "__main__":
    main()
