"""``python -m tests.browser.screenshots --out DIR``: the console's pages as pictures, to look at.

Each page wide and narrow, light and dark, in full height.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, StorageState

from tests.browser.browsing import HEIGHTS, NARROW, WIDE, Theme, chromium, load, session, window
from tests.browser.site import Site

THEMES: tuple[Theme, ...] = ("light", "dark")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("var/screenshots"))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="autotrader-screenshots-") as folder:
        site = Site(Path(folder))
        site.draw()
        try:
            site.up()
            pages = {
                "overview": "/",
                "cycle": "/cycles/2/?symbol=BTCUSDT",
                "trade": f"/trades/{site.trade_of('BTCUSDT')}/",
            }
            with chromium() as browser:
                _take_all(browser, session(browser, site.address), site.address, pages, out)
        finally:
            site.down()


def _take_all(
    browser: Browser, state: StorageState, address: str, pages: dict[str, str], out: Path
) -> None:
    for theme in THEMES:
        for width in (WIDE, NARROW):
            with window(browser, state, width=width, theme=theme) as context:
                page = context.new_page()
                for name, path in pages.items():
                    load(page, address + path)
                    page.locator("[data-age]", has_text="s old").wait_for()
                    file = out / f"{name}-{width}-{theme}.png"
                    _whole(page, width, file)
                    print(file)


def _whole(page: Page, width: int, file: Path) -> None:
    # A window as high as the page, so that what is fixed to its edges stays there.
    height = page.evaluate("document.documentElement.scrollHeight")
    page.set_viewport_size({"width": width, "height": height})
    page.screenshot(path=file)
    page.set_viewport_size({"width": width, "height": HEIGHTS[width]})


if __name__ == "__main__":
    main()
