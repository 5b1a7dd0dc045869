"""Which pages may open our socket."""

from __future__ import annotations

from typing import Any

import pytest
from pytest_django.fixtures import Settings

from dashboard.origin import is_same_origin


def scope(origin: str | None, host: str = "127.0.0.1:8000", scheme: str = "ws") -> dict[str, Any]:
    headers = [(b"host", host.encode())]
    if origin is not None:
        headers.append((b"origin", origin.encode()))
    return {"type": "websocket", "scheme": scheme, "headers": headers}


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000", "ws"),
        ("http://localhost:8001", "localhost:8001", "ws"),
        ("http://[::1]:8000", "[::1]:8000", "ws"),
        ("https://localhost", "localhost", "wss"),
    ],
)
def test_own_page_is_let_in(origin: str, host: str, scheme: str) -> None:
    assert is_same_origin(scope(origin, host, scheme))


@pytest.mark.parametrize(
    ("origin", "host", "scheme"),
    [
        (None, "127.0.0.1:8000", "ws"),
        ("null", "127.0.0.1:8000", "ws"),
        ("http://127.0.0.1:8001", "127.0.0.1:8000", "ws"),
        ("https://127.0.0.1:8000", "127.0.0.1:8000", "ws"),
        ("http://localhost:8000", "127.0.0.1:8000", "ws"),
        ("http://evil.example", "evil.example", "ws"),
        ("http://127.0.0.1:8000.evil.example", "127.0.0.1:8000", "ws"),
    ],
)
def test_other_page_is_kept_out(origin: str | None, host: str, scheme: str) -> None:
    assert not is_same_origin(scope(origin, host, scheme))


def test_trusted_origin_behind_a_proxy_is_let_in(settings: Settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://trade.example"]
    assert is_same_origin(scope("https://trade.example", "web:8000"))
    assert not is_same_origin(scope("http://trade.example", "web:8000"))
