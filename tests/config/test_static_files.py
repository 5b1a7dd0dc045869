"""Static files come whole, with everything browsers and caches expect of them."""

from __future__ import annotations

from django.conf import settings
from django.test import Client

ADDRESS = "/static/js/theme.js"
CONTENT = (settings.BASE_DIR / "static" / "js" / "theme.js").read_bytes()


def test_file_is_no_stream() -> None:
    answer = Client().get(ADDRESS)
    assert not answer.streaming
    assert answer.content == CONTENT
    assert answer["Content-Type"].startswith("text/javascript")
    assert answer["Content-Length"] == str(len(CONTENT))


def test_part_of_a_file_is_sent_on_request() -> None:
    answer = Client().get(ADDRESS, headers={"Range": "bytes=3-12"})
    assert answer.status_code == 206
    assert answer.content == CONTENT[3:13]


def test_head_and_unchanged_file_send_no_body() -> None:
    head = Client().head(ADDRESS)
    assert head.content == b""
    assert head["Content-Length"] == str(len(CONTENT))
    unchanged = Client().get(ADDRESS, headers={"If-Modified-Since": head["Last-Modified"]})
    assert unchanged.status_code == 304
    assert unchanged.content == b""


def test_other_methods_are_refused() -> None:
    answer = Client().post(ADDRESS)
    assert answer.status_code == 405
    assert answer["Allow"] == "GET, HEAD"
