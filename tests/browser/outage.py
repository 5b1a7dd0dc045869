"""``python -m tests.browser.outage``: take the server away from an open page, and bring it back.

Prints how long the page took to say that its figures are stale, and to be current again. Exit
code 1 when the first took more than 10 s, or the page did not find back without a reload.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

from tests.browser.browsing import chromium, session, window
from tests.browser.site import Site

STALE_LIMIT_S = 10.0
WAIT_MS = 25_000
DIMMED = "() => getComputedStyle(document.querySelector('.tiles [data-live]')).opacity < 0.6"


@dataclass(frozen=True, slots=True)
class Outage:
    """What the page showed. Times in s: from the end of the server to the banner, and from its
    return to a page that is current again."""

    stale_after_s: float
    current_after_s: float
    banners: int
    figures_dimmed: bool
    reloaded: bool

    @property
    def survived(self) -> bool:
        return (
            self.stale_after_s <= STALE_LIMIT_S
            and self.banners == 1
            and self.figures_dimmed
            and not self.reloaded
        )


def suffer(page: Page, site: Site, *, length_s: float, frozen: bool = False) -> Outage:
    """Let ``page`` be without its server for ``length_s``, or until it says so if that is later.

    The server is killed and started again, or with ``frozen`` halted and continued: its sockets
    then stay open and silent.
    """
    page.evaluate("window.firstLoad = true")
    banner = page.get_by_text("Figures are stale since")
    began = time.monotonic()
    site.freeze() if frozen else site.down()
    banner.wait_for(state="visible", timeout=WAIT_MS)
    stale_after_s = time.monotonic() - began
    dimmed = bool(page.evaluate(DIMMED))
    page.wait_for_timeout(max(0.0, length_s - stale_after_s) * 1000)
    banners = banner.count()
    site.thaw() if frozen else site.up()
    returned = time.monotonic()
    banner.wait_for(state="hidden", timeout=WAIT_MS)
    return Outage(
        stale_after_s=stale_after_s,
        current_after_s=time.monotonic() - returned,
        banners=banners,
        figures_dimmed=dimmed,
        reloaded=not page.evaluate("window.firstLoad === true"),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--frozen", action="store_true", help="halt the server, do not kill it")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="autotrader-outage-") as folder:
        site = Site(Path(folder))
        site.draw()
        try:
            site.up()
            with chromium() as browser:
                state = session(browser, site.address)
                with window(browser, state) as context:
                    page = context.new_page()
                    page.goto(site.address)
                    seen = suffer(page, site, length_s=options.seconds, frozen=options.frozen)
        finally:
            site.down()
    print(f"stale banner after {seen.stale_after_s:.1f} s (limit {STALE_LIMIT_S:.0f} s)")
    print(f"current again {seen.current_after_s:.1f} s after the server's return")
    print(f"banners: {seen.banners}, figures dimmed: {seen.figures_dimmed}")
    print(f"page reloaded: {seen.reloaded}")
    sys.exit(0 if seen.survived else 1)


if __name__ == "__main__":
    main()
