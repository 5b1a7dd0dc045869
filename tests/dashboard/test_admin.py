"""The admin shows every table, changes only what may be changed, and asks the database little."""

from __future__ import annotations

from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth.models import User
from django.db.models import Model
from django.test import Client
from django.urls import reverse

from analysis.models import AnalystProfile
from exchange.choices import Mode
from tests import factories
from trading.models import Bot, RiskLimits

OURS = [
    model
    for label in ("exchange", "analysis", "trading")
    for model in apps.get_app_config(label).get_models()
]
EDITABLE = {"bot", "exchangeaccount", "analystprofile", "prompt", "symbolgroup", "blackout"}
ADDABLE = {
    "bot",
    "analystprofile",
    "prompt",
    "promptversion",
    "risklimits",
    "symbolgroup",
    "blackout",
    "killrun",
}
# Session, user, messages of the console's mode chip, page count, rows, and filters.
MOST_QUERIES = 12


def factory_of(model: type[Model]) -> Any:
    return next(
        made_by
        for made_by in vars(factories).values()
        if getattr(getattr(made_by, "_meta", None), "model", None) is model
    )


def address(model: type[Model], page: str, *args: int) -> str:
    meta = model._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_{page}", args=args)


@pytest.fixture
def administrator(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("root"))
    return client


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_table_is_in_the_admin(model: type[Model]) -> None:
    assert model in admin.site._registry


@pytest.mark.django_db
@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_list_asks_the_same_number_of_queries_for_many_rows(
    model: type[Model], administrator: Client, django_assert_max_num_queries: Any
) -> None:
    factory_of(model).create_batch(8)
    with django_assert_max_num_queries(MOST_QUERIES):
        answer = administrator.get(address(model, "changelist"))
    assert answer.status_code == 200


@pytest.mark.django_db
@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_row_is_shown_and_only_a_few_may_be_changed(
    model: type[Model], administrator: Client
) -> None:
    row = factory_of(model)()
    name = model._meta.model_name
    shown = administrator.get(address(model, "change", row.pk))
    added = administrator.get(address(model, "add"))
    deleted = administrator.post(address(model, "delete", row.pk), {"post": "yes"})
    assert shown.status_code == 200
    assert (b'name="_save"' in shown.content) is (name in EDITABLE)
    assert added.status_code == (200 if name in ADDABLE else 403)
    assert deleted.status_code == 403


@pytest.mark.django_db
def test_new_limits_are_the_next_version(administrator: Client) -> None:
    limits = factories.RiskLimitsFactory.create(version=4)
    given = {
        field.name: "" if getattr(limits, field.name) is None else getattr(limits, field.name)
        for field in RiskLimits._meta.fields
        if field.name not in ("id", "account", "version", "actor", "created_at", "note")
    }
    answer = administrator.post(
        address(RiskLimits, "add"), given | {"account": limits.account_id, "max_slots": 2}
    )
    assert answer.status_code == 302
    newest = RiskLimits.objects.get(account=limits.account, version=5)
    assert newest.max_slots == 2
    assert str(newest.actor) == "root"


@pytest.mark.django_db
def test_changed_analyst_gets_a_new_version(administrator: Client) -> None:
    profile = factories.ModelProfileFactory.create(version=2)
    page = address(AnalystProfile, "change", profile.pk)
    form = administrator.get(page).context["adminform"].form
    given = {name: value for name, value in form.initial.items() if value is not None}
    administrator.post(page, given | {"model": "sim-other"})
    profile.refresh_from_db()
    assert (profile.model, profile.version) == ("sim-other", 3)


@pytest.mark.django_db
def test_bot_can_not_be_started_past_the_services(administrator: Client) -> None:
    bot = factories.BotFactory.create(state="paused")
    page = administrator.get(address(Bot, "change", bot.pk))
    assert b'name="state"' not in page.content


@pytest.mark.django_db
@pytest.mark.parametrize("mode", [Mode.SIM, Mode.LIVE])
def test_admin_names_the_strictest_mode(administrator: Client, mode: Mode) -> None:
    factories.AccountFactory.create(mode=Mode.SIM)
    factories.AccountFactory.create(mode=mode)
    assert str(mode) in administrator.get(reverse("admin:index")).content.decode()
