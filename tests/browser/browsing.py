"""Chromium, a signed-in session in it, and an eye on what pages must never do."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Page,
    Request,
    StorageState,
    sync_playwright,
)

from tests.browser.scene import OPERATOR, PASSWORD

Theme = Literal["light", "dark"]
# Opens a window of the operator; takes the options of ``window`` below.
Window = Callable[..., BrowserContext]

WIDE, NARROW = 1440, 375
HEIGHTS = {WIDE: 900, NARROW: 812}
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
# What the policy forbids is said on the console too, but a listener also sees report-only ones.
REPORT_VIOLATIONS = """
document.addEventListener("securitypolicyviolation", (event) => {
  console.error(`policy violated: ${event.violatedDirective} by ${event.blockedURI}`);
});
"""
# A lazy picture far below the window is fetched when somebody scrolls there.
PICTURES_SHOWN = """
() => [...document.images].every((image) => image.complete || !image.checkVisibility()
  || (image.loading === "lazy" && image.getBoundingClientRect().top > innerHeight))
"""
LARGEST_PAINT_MS = """
() => new Promise((resolve) => {
  const last = (list) => resolve(list.getEntries().at(-1).startTime);
  new PerformanceObserver(last).observe({ type: "largest-contentful-paint", buffered: true });
})
"""


class BrowserMissing(Exception):
    """There is no Chromium on this machine."""


@contextmanager
def chromium() -> Iterator[Browser]:
    """The system's own Chromium. Raises ``BrowserMissing``."""
    path = shutil.which("chromium")
    if path is None:
        raise BrowserMissing("no chromium in PATH")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def sign_in(page: Page, address: str) -> None:
    """Fill in the form of the login page, as a person does."""
    page.goto(f"{address}/login/")
    page.get_by_label("Name").fill(OPERATOR)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def session(browser: Browser, address: str) -> StorageState:
    """The cookies of a session that has signed in, for any number of contexts."""
    with browser.new_context() as context:
        page = context.new_page()
        sign_in(page, address)
        page.wait_for_url(f"{address}/")
        return context.storage_state()


def window(
    browser: Browser,
    state: StorageState | None,
    *,
    width: int = WIDE,
    theme: Theme = "light",
    scripts: bool = True,
) -> BrowserContext:
    """A window with an empty cache; ``state`` None is one in which nobody has signed in."""
    context = browser.new_context(
        storage_state=state,
        viewport={"width": width, "height": HEIGHTS[width]},
        color_scheme=theme,
        java_script_enabled=scripts,
    )
    context.set_default_timeout(15_000)
    context.add_init_script(REPORT_VIOLATIONS)
    return context


@dataclass
class Watch:
    """Notes what a page says on the console, breaks, or asks of another host."""

    page: Page
    address: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._console)
        self.page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        self.page.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme != "data" and parts.netloc != urlsplit(self.address).netloc:
            self.complaints.append(f"outside request: {request.url}")


def load(page: Page, url: str) -> None:
    """Open ``url`` and wait until every picture in view is there."""
    page.goto(url)
    page.wait_for_function(PICTURES_SHOWN)


def largest_paint_ms(page: Page) -> float:
    """Largest contentful paint of the loaded page, in ms since its navigation began."""
    return float(page.evaluate(LARGEST_PAINT_MS))
