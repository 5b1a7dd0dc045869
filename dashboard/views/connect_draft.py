"""An account that is being connected: kept in the session between its two steps, secret sealed."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest

from exchange.choices import Mode, Region
from exchange.secrets import seal, unseal
from trading.choices import RiskProfile
from trading.connection import Application

SESSION_KEY = "connect"
LIFE_S = 900
SEALED_FIELD = "draft of a secret"


def draft_keep(request: HttpRequest, user: User, wish: Application, looked: dict[str, Any]) -> None:
    """Remember ``wish`` and what its examination found, for a quarter of an hour.

    Raises ``SecretsUnreadable`` where the secret can't be sealed.
    """
    secret = wish.api_secret
    request.session[SESSION_KEY] = {
        "mode": str(wish.mode),
        "region": str(wish.region),
        "profile": str(wish.profile),
        "symbols": list(wish.symbols),
        "api_key": wish.api_key,
        "sealed": seal(secret, account_id=user.pk, name=SEALED_FIELD) if secret else "",
        "looked": looked,
        "until": time.time() + LIFE_S,
    }


def draft_read(request: HttpRequest) -> dict[str, Any] | None:
    """The draft without its secret, or None where there is none any more."""
    draft = request.session.get(SESSION_KEY)
    if draft is None:
        return None
    if time.time() > draft["until"]:
        draft_drop(request)
        return None
    return dict(draft)


def draft_wish(draft: dict[str, Any], user: User, name: str = "") -> Application:
    """The application again. Raises ``SecretsUnreadable``."""
    wish = Application(
        name=name,
        mode=Mode(draft["mode"]),
        symbols=tuple(draft["symbols"]),
        region=Region(draft["region"]),
        profile=RiskProfile(draft["profile"]),
        api_key=draft["api_key"],
    )
    if not draft["sealed"]:
        return wish
    secret = unseal(draft["sealed"], account_id=user.pk, name=SEALED_FIELD)
    return replace(wish, api_secret=secret)


def draft_drop(request: HttpRequest) -> None:
    """Forget the draft and its secret."""
    request.session.pop(SESSION_KEY, None)
