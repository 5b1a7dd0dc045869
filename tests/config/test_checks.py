"""What the system checks refuse."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.checks import run_checks
from pytest_django.fixtures import Settings

from config.environment import Deployment
from exchange.choices import Mode
from exchange.models import ExchangeAccount
from exchange.services import key_store


def test_live_trading_is_refused(settings: Settings) -> None:
    settings.LIVE_TRADING = True
    (error,) = run_checks(tags=["trading"])
    assert error.id == "exchange.E001"
    assert str(error.msg).startswith("Mainnet trading is refused until")


def test_nothing_is_refused_as_it_comes() -> None:
    assert run_checks(tags=["trading"]) == []


@pytest.mark.django_db
def test_live_account_is_refused_by_name() -> None:
    ExchangeAccount.objects.create(name="Main", mode=Mode.LIVE)
    errors = run_checks(tags=["database"], databases=["default"])
    assert [error.id for error in errors] == ["exchange.E001"]
    assert "Main" in errors[0].msg


@pytest.mark.django_db
def test_other_accounts_pass() -> None:
    ExchangeAccount.objects.create(name="Demo", mode=Mode.SIM)
    assert run_checks(tags=["database"], databases=["default"]) == []


@pytest.mark.django_db
def test_a_lost_encryption_key_is_said_and_stops_nobody_else(
    settings: Settings, tmp_path: Path
) -> None:
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    account = ExchangeAccount.objects.create(name="Demo", mode=Mode.DEMO)
    key_store(account=account, api_key="key", api_secret="canary")
    assert run_checks(tags=["database"], databases=["default"]) == []
    (tmp_path / "key_encryption_key").unlink()
    (warning,) = run_checks(tags=["database"], databases=["default"])
    assert (warning.id, warning.is_serious()) == ("exchange.W001", False)
    assert "Demo (DEMO) is halted" in str(warning.msg)
    assert "canary" not in str(warning)


def test_production_wants_an_encryption_key_that_all_machines_share(settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"deployment": Deployment.PRODUCTION}
    )
    settings.KEY_ENCRYPTION_KEY = None
    found = run_checks(tags=["deployment"], include_deployment_checks=True)
    assert "config.W001" in [check.id for check in found]
    settings.KEY_ENCRYPTION_KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
    found = run_checks(tags=["deployment"], include_deployment_checks=True)
    assert "config.W001" not in [check.id for check in found]


def test_production_refuses_the_parts_of_the_single_process(settings: Settings) -> None:
    settings.ENVIRONMENT = settings.ENVIRONMENT.model_copy(
        update={"deployment": Deployment.PRODUCTION}
    )
    settings.CELERY_BROKER_URL = "memory://localhost/"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": "config.channels.EmbeddedLayer"}}
    errors = run_checks(tags=["deployment"], include_deployment_checks=True)
    said = " ".join(str(error.msg) for error in errors)
    assert "task queue" in said
    assert "channel layer" in said


def test_embedded_deployment_keeps_them(settings: Settings) -> None:
    settings.CELERY_BROKER_URL = "memory://localhost/"
    errors = run_checks(tags=["deployment"], include_deployment_checks=True)
    assert errors == []
