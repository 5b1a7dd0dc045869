"""What the system checks refuse."""

from __future__ import annotations

import pytest
from django.core.checks import run_checks
from pytest_django.fixtures import Settings

from config.environment import Deployment
from exchange.choices import Mode
from exchange.models import ExchangeAccount


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
