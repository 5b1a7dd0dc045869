"""Prompt versions and model profiles in the admin."""

from __future__ import annotations

from decimal import Decimal
from html import unescape
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from analysis.choices import AnalystKind, Grade
from analysis.identity import reading_identity
from analysis.models import AnalystProfile, PromptVersion
from analysis.profiles import api_key_of, api_key_set
from analysis.prompts.template import VARIABLES
from analysis.prompts.versions import prompt_default
from tests.factories.analysis import (
    AnalystHealthFactory,
    AnalystProfileFactory,
    EyeTestFactory,
    ModelProfileFactory,
    PromptVersionFactory,
)

KEY = "sk-test-0123456789-abcd"
VERSIONS = reverse("admin:analysis_promptversion_changelist")
ADD_VERSION = reverse("admin:analysis_promptversion_add")
ADD_PROFILE = reverse("admin:analysis_analystprofile_add")

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_folder(settings: Settings, tmp_path: Path) -> None:
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    settings.OPENAI_API_KEY = None


@pytest.fixture
def admin_user() -> User:
    return User.objects.create_superuser("admin")


@pytest.fixture
def manager(admin_user: User) -> Client:
    client = Client()
    client.force_login(admin_user)
    return client


def page(manager: Client, name: str, row: Any) -> str:
    address = reverse(f"admin:analysis_{name}", args=[row.pk])
    return unescape(manager.get(address).content.decode())


def version_values(version: PromptVersion, **changes: Any) -> dict[str, Any]:
    return {
        "prompt": version.prompt_id,
        "parent": version.pk,
        "system_text": version.system_text,
        "user_text": version.user_text,
        "note": "",
    } | changes


def test_the_built_in_prompt_is_there_for_whoever_looks(manager: Client) -> None:
    assert "Chart reading" in manager.get(VERSIONS).content.decode()
    assert PromptVersion.objects.count() == 1


def test_a_version_can_be_read_but_not_changed(manager: Client) -> None:
    version = prompt_default()
    text = page(manager, "promptversion_change", version)
    assert "The stop lies beyond a structure" in text
    assert version.sha256 in text
    assert "<textarea" not in text
    assert "New version from this one" in text
    address = reverse("admin:analysis_promptversion_change", args=[version.pk])
    manager.post(address, version_values(version, system_text="Changed."))
    version.refresh_from_db()
    assert version.system_text != "Changed."


def test_the_form_starts_from_the_version_it_is_made_from(manager: Client) -> None:
    parent = PromptVersionFactory.create(system_text="Look at <this>.")
    action = reverse("admin:analysis_promptversion_new_version", args=[parent.pk])
    text = unescape(manager.get(action, follow=True).content.decode())
    assert "Look at <this>." in text
    assert all(variable.name in text for variable in VARIABLES)


def test_saving_makes_the_next_version(manager: Client, admin_user: User) -> None:
    parent = prompt_default()
    values = version_values(parent, system_text="Read less.", note="Shorter")
    assert manager.post(ADD_VERSION, values).status_code == 302
    made = PromptVersion.objects.latest("pk")
    assert (made.number, made.parent, made.author) == (2, parent, admin_user)
    assert (made.system_text, made.note) == ("Read less.\n", "Shorter")
    assert len(made.sha256) == 64


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "has the same texts already"),
        (
            {"user_text": "{{ question_id }}\n{{ table }} {{ wallet }}"},
            "line 2, column 13: unknown",
        ),
        ({"user_text": "{{ table }}"}, "missing: {{ question_id }}, {{ timeframe }}"),
        ({"system_text": "x }}"}, "line 1, column 3: }} without {{"),
    ],
)
def test_a_fault_is_named_with_its_place(
    manager: Client, changes: dict[str, str], words: str
) -> None:
    parent = prompt_default()
    answer = manager.post(ADD_VERSION, version_values(parent, **changes))
    assert words in unescape(answer.content.decode())
    assert PromptVersion.objects.count() == 1


def test_a_page_shows_exactly_what_is_sent(manager: Client) -> None:
    ModelProfileFactory.create(name="Sharp eyes")
    text = page(manager, "promptversion_what_is_sent", prompt_default())
    assert prompt_default().system_text.strip() in text
    assert '<data name="table">\nbar|open|high|low|close|volume|order\n-19|' in text
    assert "data:image/png;base64,iVBOR" in text
    assert "for one call with Sharp eyes" in text
    assert '"marker_1"' in text


def test_a_broken_version_is_said_and_not_sent(manager: Client) -> None:
    broken = PromptVersionFactory.create(user_text="{{ wallet }}")
    assert "unknown variable 'wallet'" in page(manager, "promptversion_what_is_sent", broken)


def test_a_viewer_may_not_make_prompts() -> None:
    viewer = User.objects.create_user("viewer", is_staff=True)
    client = Client()
    client.force_login(viewer)
    assert client.get(ADD_VERSION).status_code == 403
    assert client.post(ADD_VERSION, {}).status_code == 403
    sent = reverse("admin:analysis_promptversion_what_is_sent", args=[prompt_default().pk])
    assert client.get(sent).status_code == 403


def profile_values(**changes: Any) -> dict[str, Any]:
    return {
        "name": "Reader",
        "is_active": "on",
        "base_url": "",
        "model": "reader-1",
        "api_style": "responses",
        "image_family": "tile",
        "image_detail": "high",
        "max_output_tokens": "6000",
        "timeout_s": "60",
        "input_price": "2.5",
        "cached_input_price": "0.25",
        "output_price": "15",
        "max_call_cost": "0.25",
        "max_concurrency": "4",
        "copies": "0",
        "safe_mode_after": "5",
    } | changes


def change(manager: Client, profile: AnalystProfile, **changes: Any) -> str:
    address = reverse("admin:analysis_analystprofile_change", args=[profile.pk])
    values = profile_values(name=profile.name, model=profile.model, base_url=profile.base_url)
    answer = manager.post(address, values | changes, follow=True)
    profile.refresh_from_db()
    return unescape(answer.content.decode())


def test_a_model_is_added_with_its_key(manager: Client) -> None:
    answer = manager.post(ADD_PROFILE, profile_values(api_key=KEY), follow=True)
    made = AnalystProfile.objects.get(name="Reader")
    assert (made.kind, made.version, made.output_price) == (AnalystKind.OPENAI, 1, Decimal(15))
    assert api_key_of(made) == KEY
    text = page(manager, "analystprofile_change", made)
    assert KEY not in text + answer.content.decode()
    assert "set here, ends in abcd" in text


def test_a_refused_form_does_not_show_the_key_again(manager: Client) -> None:
    answer = manager.post(ADD_PROFILE, profile_values(api_key=KEY, model=""))
    assert "Enter the model's id as its server spells it." in unescape(answer.content.decode())
    assert KEY not in answer.content.decode()


def test_what_still_keeps_it_from_asking_is_said(manager: Client) -> None:
    answer = manager.post(ADD_PROFILE, profile_values(input_price="0", api_key=KEY))
    assert AnalystProfile.objects.filter(name="Reader").exists()
    said = [str(message) for message in get_messages(answer.wsgi_request)]
    assert any("can't ask yet: Reader has no prices" in each for each in said)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"base_url": "http://models.example/v1"}, "The base URL wants https"),
        ({"base_url": "https://u:p@models.example"}, "must not hold a name or password"),
        ({"model": "  "}, "Enter the model's id as its server spells it."),
        ({"api_key": "two words"}, "A key has no spaces"),
        ({"max_call_cost": "0.01"}, "One call can cost up to $0.1"),
        ({"input_price": "-1"}, "greater than or equal to 0"),
        ({"api_key": KEY, "remove_api_key": "on"}, "Either enter a new key or remove"),
    ],
)
def test_a_wrong_entry_is_refused(manager: Client, changes: dict[str, str], words: str) -> None:
    answer = manager.post(ADD_PROFILE, profile_values(**changes))
    assert words in unescape(answer.content.decode())
    assert not AnalystProfile.objects.exists()


@pytest.mark.parametrize(
    ("changes", "version"),
    [
        ({"model": "reader-2"}, 2),
        ({"copies": "2"}, 2),
        ({"reasoning_effort": "low"}, 2),
        ({"name": "Renamed", "input_price": "9", "max_call_cost": "1"}, 1),
        ({"api_key": KEY}, 1),
        ({}, 1),
    ],
    ids=str,
)
def test_only_what_may_change_an_answer_makes_a_new_version(
    manager: Client, changes: dict[str, str], version: int
) -> None:
    profile = ModelProfileFactory.create()
    change(manager, profile, **changes)
    assert profile.version == version


def test_a_key_stays_and_can_be_removed(manager: Client) -> None:
    profile = ModelProfileFactory.create()
    api_key_set(profile, KEY)
    change(manager, profile, timeout_s="30")
    assert (api_key_of(profile), profile.timeout_s) == (KEY, 30)
    change(manager, profile, remove_api_key="on")
    assert api_key_of(profile) == ""


def test_a_key_does_not_follow_to_another_server(manager: Client) -> None:
    profile = ModelProfileFactory.create()
    api_key_set(profile, KEY)
    elsewhere = "https://elsewhere.example/v1"
    assert "was entered for another server" in change(manager, profile, base_url=elsewhere)
    assert profile.base_url != elsewhere
    change(manager, profile, base_url=elsewhere, api_key="sk-elsewhere-000000-wxyz")
    assert profile.base_url == elsewhere
    assert api_key_of(profile) == "sk-elsewhere-000000-wxyz"


def test_grade_and_health_are_shown(manager: Client) -> None:
    profile = ModelProfileFactory.create()
    AnalystHealthFactory.create(profile=profile, state="paused", reason="429 for 30 s")
    assert "no eye test yet" in page(manager, "analystprofile_change", profile)
    version = prompt_default()
    EyeTestFactory.create(
        profile=profile,
        prompt_version=version,
        identity=reading_identity(profile, version),
        state="done",
        grade=Grade.ANALYST,
    )
    text = page(manager, "analystprofile_change", profile)
    assert "Analyst, with Chart reading v1" in text
    assert "Paused: 429 for 30 s" in text


def test_rules_of_code_have_no_settings(manager: Client) -> None:
    profile = AnalystProfileFactory.create()
    text = page(manager, "analystprofile_change", profile)
    assert "Technical rules" in text
    assert "base_url" not in text
    assert "api_key" not in text
