"""Pages become pictures, and a page reaches nothing it has no business with."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from threading import Thread
from typing import Any

import pytest
from PIL import Image

from analysis.capture import CaptureFailed, PageCharts, capture_page
from analysis.models import ChartImage
from analysis.picture_store import picture_bytes

needs_browser = pytest.mark.skipif(
    shutil.which("chromium") is None, reason="no chromium on this machine"
)
BLUE = (0, 0, 255)


class Pages(ThreadingHTTPServer):
    """Serves scripted pages on loopback and lists what was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.asked: list[str] = []
        self.cookies: list[str] = []
        self.pages: dict[str, str] = {}
        self.redirects: dict[str, str] = {}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Answer(BaseHTTPRequestHandler):
    server: Pages

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append(self.path)
        self.server.cookies.append(self.headers.get("Cookie", ""))
        if path in self.server.redirects:
            self.send_response(302)
            self.send_header("Location", self.server.redirects[path])
            self.end_headers()
            return
        page = self.server.pages.get(path)
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.end_headers()
        self.wfile.write((page or "not found").encode())

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Pages]:
    server = Pages()
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def site() -> Iterator[Pages]:
    with serving() as server:
        server.pages["/chart"] = "<body style='margin:0;background:#00f'>chart</body>"
        yield server


@pytest.fixture
def neighbour() -> Iterator[Pages]:
    """Another service of this machine."""
    with serving() as server:
        server.pages["/secret"] = "<body>secret</body>"
        yield server


@pytest.mark.browser
@needs_browser
@pytest.mark.django_db
def test_captured_page_is_kept_as_not_reproducible(site: Pages) -> None:
    charts = PageCharts(site.address + "/chart?s={symbol}&i={minutes}", width=600, height=400)
    row = charts.picture("BTCUSDT", "4h")
    picture = Image.open(BytesIO(picture_bytes(ChartImage.objects.get(pk=row.pk))))
    assert (picture.format, picture.size) == ("PNG", (600, 400))
    assert picture.getpixel((500, 300)) == BLUE
    assert (row.reproducible, row.renderer_version) == (False, "capture")
    assert "/chart?s=BTCUSDT&i=240" in site.asked


@pytest.mark.browser
@needs_browser
def test_scale_makes_the_picture_finer_and_cookies_go_along(site: Pages) -> None:
    png = capture_page(
        site.address + "/chart", width=400, height=300, scale=2.0, cookies={"session": "abc"}
    )
    assert Image.open(BytesIO(png)).size == (800, 600)
    assert "session=abc" in site.cookies


@pytest.mark.browser
@needs_browser
def test_page_reaches_neither_neighbours_nor_the_world(site: Pages, neighbour: Pages) -> None:
    site.redirects["/turn"] = neighbour.address + "/secret"
    site.pages["/chart"] = f"""
        <body style='background:#00f'>
        <img src='/turn'><img src='{neighbour.address}/secret'><img src='http://10.0.0.1/x'>
        <iframe src='{neighbour.address}/secret'></iframe><iframe src='/turn'></iframe>
        <script>fetch('/turn', {{mode: 'no-cors'}}); new WebSocket(
        '{neighbour.address.replace("http", "ws")}/secret');</script></body>"""
    capture_page(site.address + "/chart", width=400, height=300)
    assert "/turn" in site.asked
    assert neighbour.asked == []


@pytest.mark.browser
@needs_browser
def test_page_that_sends_elsewhere_is_no_picture(site: Pages, neighbour: Pages) -> None:
    site.redirects["/away"] = neighbour.address + "/secret"
    with pytest.raises(CaptureFailed, match="can't be captured"):
        capture_page(site.address + "/away")
    assert neighbour.asked == []


@pytest.mark.browser
@needs_browser
def test_page_that_is_not_there_is_no_picture(site: Pages) -> None:
    with pytest.raises(CaptureFailed, match="answered 404"):
        capture_page(site.address + "/nothing")


def test_missing_browser_is_said(site: Pages, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(CaptureFailed, match="needs a Chromium"):
        capture_page(site.address + "/chart")


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://93.184.216.34/chart", "Only https"),
        ("file:///etc/passwd", "not one of a page"),
        ("javascript:alert(1)", "not one of a page"),
        ("https://", "not one of a page"),
        ("https://[::1", "not one of a page"),
        ("https://someone:word@127.0.0.1/", "user name"),
        ("https://10.0.0.1/", "inside this network"),
        ("https://169.254.169.254/latest/meta-data", "inside this network"),
        ("https://192.168.1.1:8443/", "inside this network"),
        ("https://[fd00::1]/", "inside this network"),
    ],
)
def test_address_that_must_not_be_opened_is_refused(url: str, reason: str) -> None:
    with pytest.raises(CaptureFailed, match=reason):
        capture_page(url)


@pytest.mark.parametrize("size", [(100, 768, 1.0), (1152, 5000, 1.0), (1152, 768, 3.0)])
def test_window_out_of_bounds_is_refused(size: tuple[int, int, float]) -> None:
    width, height, scale = size
    with pytest.raises(CaptureFailed, match="240 to 2048"):
        capture_page("http://127.0.0.1:9/", width=width, height=height, scale=scale)


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("https://charts.example/{symbol", "braces"),
        ("https://charts.example/{account}", "may name only"),
        ("https://charts.example/{symbol.__class__}", "may name only"),
        ("https://{symbol}.example/", "host"),
    ],
)
def test_template_that_leaves_too_much_open_is_refused(template: str, reason: str) -> None:
    with pytest.raises(CaptureFailed, match=reason):
        PageCharts(template)


def test_symbol_cannot_change_the_address() -> None:
    charts = PageCharts("https://charts.example/?symbol=BYBIT:{symbol}.P&interval={minutes}")
    address = charts.address("BTC/../&x=1#", "1h")
    assert address == ("https://charts.example/?symbol=BYBIT:BTC%2F..%2F%26x%3D1%23.P&interval=60")
