"""How tests read the safety page: what it finds of the account now, and its text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html import unescape
from pathlib import Path
from typing import Any

from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dashboard.selectors.safety import AccountNow, safety_now
from dashboard.selectors.safety_check import Check
from exchange.models import ExchangeAccount
from trading.models import Lease


def empty_folder(settings: Settings, tmp_path: Path) -> Path:
    """An empty data folder; the checkout has no counts either."""
    settings.DATA_DIR = tmp_path / "data"
    settings.BASE_DIR = tmp_path
    settings.DATA_DIR.mkdir()
    (tmp_path / "var").mkdir()
    return tmp_path


def now() -> datetime:
    return datetime.now(UTC)


def ago(seconds: float) -> datetime:
    return now() - timedelta(seconds=seconds)


def the_account() -> AccountNow:
    return safety_now(now())[0]


def check(name: str) -> Check:
    return next(one for one in the_account().checks if one.name == name)


def lease(account: ExchangeAccount, **changes: Any) -> None:
    Lease.objects.filter(account=account).update(**changes)


def text_of(client: Client) -> str:
    answer = client.get(reverse("safety"))
    assert answer.status_code == 200
    return unescape(answer.content.decode())
