"""Whether the person behind an open socket may still look."""

from __future__ import annotations

from importlib import import_module

from django.conf import settings
from django.contrib.auth import get_user, get_user_model
from django.http import HttpRequest

CLOSE_SIGNED_OUT = 4001
CLOSE_NOT_ALLOWED = 4003


def session_close_code(*, session_key: str | None, user_id: int) -> int | None:
    """Return why the socket has to close, or None.

    4001: the session ended (logout, expiry, changed password). 4003: the user is inactive or gone.
    """
    if not get_user_model().objects.filter(pk=user_id, is_active=True).exists():
        return CLOSE_NOT_ALLOWED
    request = HttpRequest()
    request.session = import_module(settings.SESSION_ENGINE).SessionStore(session_key)
    return None if get_user(request).pk == user_id else CLOSE_SIGNED_OUT
