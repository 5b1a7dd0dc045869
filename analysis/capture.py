"""A picture of a chart page in a browser: our own page, or one by a URL template.

Such a picture can't be drawn again and holds nothing that code knows, so nobody trades on it.
Playwright and a Chromium are needed only here and are not part of an installation.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ipaddress import ip_address
from string import Formatter
from typing import TYPE_CHECKING
from urllib.parse import SplitResult, quote, urlsplit

from analysis.models import ChartImage
from analysis.picture_store import foreign_store
from analysis.uploads import UploadRefused, picture_clean
from exchange.domain import TIMEFRAMES

if TYPE_CHECKING:
    from playwright.sync_api import Page, Route

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
LAUNCH_MS = 15_000
PAGE_MS = 20_000
# Pages that stream prices never fall silent, so this is how long they may go on drawing.
SETTLE_MS = 3_000
SIDES = range(240, 2049)
HTTP_ERROR = 400
# Nothing listens there: whatever must not be reached is sent to it.
NOWHERE = "127.0.0.1:9"
INWARD_NAMES = (
    *("localhost", "*.localhost", "*.local", "*.internal"),
    *("127.*", "10.*", "172.*", "192.168.*", "169.254.*", "0.*", "[*"),
)
TEMPLATE_NAMES = {"symbol", "timeframe", "minutes"}
INLINE_SCHEMES = ("data", "blob", "about")


class CaptureFailed(Exception):
    """There is no picture; the text is a sentence for whoever asked for it."""


@dataclass(frozen=True, slots=True)
class PageCharts:
    """Charts of a page whose address has {symbol}, {timeframe} (as 15m) or {minutes} (as 15).

    Raises ``CaptureFailed`` for a template that names anything else or leaves its host open.
    """

    template: str
    width: int = 1152
    height: int = 768
    scale: float = 1.0

    def __post_init__(self) -> None:
        try:
            names = {name for _, name, *_ in Formatter().parse(self.template) if name is not None}
        except ValueError as exc:
            raise CaptureFailed("The template's braces do not match.") from exc
        if not names <= TEMPLATE_NAMES:
            raise CaptureFailed(f"A template may name only {', '.join(sorted(TEMPLATE_NAMES))}.")
        if "{" in _split(self.template).netloc:
            raise CaptureFailed("A template's host must be written out.")

    def address(self, symbol: str, timeframe: str) -> str:
        minutes = int(TIMEFRAMES[timeframe].total_seconds()) // 60
        return self.template.format(
            symbol=quote(symbol, safe=""), timeframe=quote(timeframe, safe=""), minutes=minutes
        )

    def picture(self, symbol: str, timeframe: str) -> ChartImage:
        """Capture the page now and keep what was seen. Raises ``CaptureFailed``."""
        png = capture_page(
            self.address(symbol, timeframe),
            width=self.width,
            height=self.height,
            scale=self.scale,
        )
        return foreign_store(png, "capture")


def capture_page(
    url: str,
    *,
    width: int = 1152,
    height: int = 768,
    scale: float = 1.0,
    cookies: Mapping[str, str] | None = None,
) -> bytes:
    """PNG of what ``url`` shows in a window of ``width`` x ``height``, drawn ``scale`` times as
    fine.

    Takes https pages of public hosts and any page of this machine; a page of this machine
    reaches only its own host and port, a public one only https, and no address inside this
    network. ``cookies`` are given to pages of this machine alone. Raises ``CaptureFailed``.
    """
    if width not in SIDES or height not in SIDES or not 1 <= scale <= 2:
        raise CaptureFailed("A window has 240 to 2048 pixels a side and a scale of 1 to 2.")
    parts = _split(url)
    own = _is_own(parts)
    if not own:
        _require_public(parts)
    with _page(parts, own, (width, height), scale) as page:
        if cookies and own:
            page.context.add_cookies(
                [{"name": name, "value": value, "url": url} for name, value in cookies.items()]
            )
        return _picture_of(page, url)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        known = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError as exc:
        raise CaptureFailed("The address is not one of a page.") from exc
    if not known:
        raise CaptureFailed("The address is not one of a page.")
    if parts.username is not None:
        raise CaptureFailed("An address with a user name in it is not opened.")
    return parts


def _is_own(parts: SplitResult) -> bool:
    """Whether the page is one of this machine."""
    host = parts.hostname or ""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _require_public(parts: SplitResult) -> None:
    """Refuse plain http, and hosts inside this network whatever their name."""
    if parts.scheme != "https":
        raise CaptureFailed("Only https pages and pages of this machine are opened.")
    host = parts.hostname or ""
    try:
        found = socket.getaddrinfo(host, parts.port or 443, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as exc:
        raise CaptureFailed(f"The host {host} is not known.") from exc
    if not all(ip_address(address[0]).is_global for *_, address in found):
        raise CaptureFailed(f"The host {host} lies inside this network.")


@contextmanager
def _page(parts: SplitResult, own: bool, size: tuple[int, int], scale: float) -> Iterator[Page]:
    """An empty page in a browser of its own that reaches only what it may."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as exc:
        raise CaptureFailed("Capturing pages needs the Python package playwright.") from exc
    path = next(filter(None, map(shutil.which, BROWSERS)), None)
    if path is None:
        raise CaptureFailed("Capturing pages needs a Chromium on this machine.")
    width, height = size
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(
                executable_path=path, args=_flags(parts, own), timeout=LAUNCH_MS
            )
            context = browser.new_context(
                viewport={"width": width, "height": height},
                device_scale_factor=scale,
                service_workers="block",
                accept_downloads=False,
                timezone_id="UTC",
            )
            context.route("**/*", lambda route: _guard(route, parts, own))
            try:
                yield context.new_page()
            finally:
                browser.close()
    except Error as exc:
        # The first line says what happened, the rest is the browser's log.
        raise CaptureFailed(f"The page can't be captured: {str(exc).splitlines()[0]}") from exc


def _flags(parts: SplitResult, own: bool) -> list[str]:
    """Walls in the browser itself: a redirect never asks ``_guard``."""
    flags = [
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    if own:
        # All but this one host and port goes nowhere.
        flags += [
            f"--proxy-server=http://{NOWHERE}",
            f"--proxy-bypass-list=<-loopback>;{_host_and_port(parts)}",
        ]
    else:
        rules = ",".join(f"MAP {name} ~NOTFOUND" for name in INWARD_NAMES)
        flags += [
            f"--proxy-server=http={NOWHERE};https=direct://",
            "--proxy-bypass-list=<-loopback>",
            f"--host-resolver-rules={rules}",
        ]
    if os.geteuid() == 0:
        # Chromium refuses to start as root otherwise, as in containers.
        flags.append("--no-sandbox")
    return flags


def _host_and_port(parts: SplitResult) -> str:
    host = parts.hostname or ""
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _guard(route: Route, page: SplitResult, own: bool) -> None:
    asked = urlsplit(route.request.url)
    if asked.scheme in INLINE_SCHEMES:
        allowed = True
    elif own:
        allowed = (asked.scheme, asked.netloc) == (page.scheme, page.netloc)
    else:
        allowed = asked.scheme == "https" and not _is_own(asked)
    if allowed:
        route.continue_()
    else:
        route.abort("blockedbyclient")


def _picture_of(page: Page, url: str) -> bytes:
    from playwright.sync_api import TimeoutError as PageTimeout

    try:
        answer = page.goto(url, timeout=PAGE_MS, wait_until="load")
    except PageTimeout as exc:
        raise CaptureFailed(f"The page did not load within {PAGE_MS // 1000} s.") from exc
    if answer is None or answer.status >= HTTP_ERROR:
        status = "nothing" if answer is None else answer.status
        raise CaptureFailed(f"The page answered {status}.")
    # A page that goes on loading is taken as it is by then.
    with suppress(PageTimeout):
        page.wait_for_load_state("networkidle", timeout=SETTLE_MS)
    shot = page.screenshot(type="png", animations="disabled", timeout=PAGE_MS)
    try:
        return picture_clean(shot)
    except UploadRefused as exc:
        raise CaptureFailed(str(exc)) from exc
