"""The safety page in a browser: nothing cut off, nothing forbidden, ages that go on."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from tests.browser.browsing import NARROW, WIDE, Theme, Watch, Window, load
from tests.browser.site import Site
from tests.crash.tally import Tally

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

CUT_OFF = """
() => [...document.querySelectorAll(".card")]
  .filter((card) => card.scrollWidth > card.clientWidth)
  .map((card) => card.innerText.split("\\n")[0])
"""


@pytest.fixture
def counted(site: Site) -> Iterator[Site]:
    """The site with counts of the harness in its data folder."""
    path = site.folder / "crash.json"
    matrix = Tally(path, "matrix apart")
    matrix.add("K8", gap_s=0.9, settled_s=11.2, failures=[], times=25)
    matrix.add("K10", gap_s=3.1, settled_s=38.4, failures=[], times=25)
    Tally(path, "ambiguous virtual").add(
        "answer that is placed and unreadable/reject",
        gap_s=6.4,
        settled_s=12,
        failures=["answer that is placed and unreadable, seed 7: stood without a stop for 6.4 s"],
    )
    Tally(path, "state machine").add("sequences", gap_s=0, settled_s=0, failures=[], times=5000)
    yield site
    path.unlink()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [WIDE, NARROW])
def test_page_keeps_its_policy_its_host_and_its_width(
    window: Window, counted: Site, width: int, theme: Theme
) -> None:
    page = window(width=width, theme=theme).new_page()
    watch = Watch(page, counted.address)
    load(page, f"{counted.address}/safety/")
    expect(page.locator(".span-figure", has_text="38.4 s")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.evaluate(CUT_OFF) == []
    assert watch.complaints == []


def test_what_stands_now_is_asked_for_again(tab: Page, site: Site) -> None:
    load(tab, f"{site.address}/safety/")
    looked = tab.locator("#now .safety-head time")
    before = looked.text_content()
    tab.wait_for_function(
        "before => document.querySelector('#now .safety-head time').textContent !== before",
        arg=before,
    )
    assert tab.locator("#now").count() == 1
    assert tab.get_by_role("heading", name="This installation's own record").is_visible()
