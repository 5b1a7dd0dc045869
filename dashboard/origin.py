"""Refuse sockets that another site's page opens with our operator's cookie."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from channels.security.websocket import WebsocketDenier
from django.conf import settings
from django.http.request import validate_host

Application = Callable[..., Awaitable[None]]
SCHEMES = {"ws": "http", "wss": "https"}


class SameOrigin:
    """Let a socket through when its Origin is this site: scheme, host and port.

    The same rule as Django's check of POST requests: the request's own scheme and Host, or one
    of ``CSRF_TRUSTED_ORIGINS`` written out in full.
    """

    def __init__(self, application: Application) -> None:
        self.application = application

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        application = self.application if is_same_origin(scope) else WebsocketDenier()
        await application(scope, receive, send)


def is_same_origin(scope: dict[str, Any]) -> bool:
    """Whether the socket's Origin header names this site. No header, no socket."""
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    origin, host = headers.get(b"origin"), headers.get(b"host", "")
    if origin is None:
        return False
    if origin in settings.CSRF_TRUSTED_ORIGINS:
        return True
    name = urlsplit(f"//{host}").hostname or ""
    name = f"[{name}]" if ":" in name else name
    own = f"{SCHEMES[scope.get('scheme', 'ws')]}://{host}"
    return validate_host(name, settings.ALLOWED_HOSTS) and origin == own
