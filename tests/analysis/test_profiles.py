"""Keys of profiles: sealed, bound, shown to nobody; and why a profile can't ask."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pytest_django.fixtures import Settings

from analysis.errors import AnalystUnavailable
from analysis.models import AnalystProfile
from analysis.profiles import (
    KeyInvalid,
    api_key_of,
    api_key_set,
    base_url_problem,
    key_shown,
    profile_problem,
)
from exchange.secrets import KEY_FILE
from tests.factories.analysis import AnalystProfileFactory, ModelProfileFactory

KEY = "sk-test-0123456789-abcd"

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def data_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    settings.OPENAI_API_KEY = None
    return tmp_path


def stored(profile: AnalystProfile) -> AnalystProfile:
    return AnalystProfile.objects.get(pk=profile.pk)


def test_a_key_is_sealed_and_opens_again() -> None:
    profile = ModelProfileFactory.create()
    api_key_set(profile, f"  {KEY}\n")
    assert api_key_of(stored(profile)) == KEY
    assert KEY not in stored(profile).api_key_sealed


def test_an_empty_key_takes_it_away() -> None:
    profile = ModelProfileFactory.create()
    api_key_set(profile, KEY)
    api_key_set(profile, "")
    assert stored(profile).api_key_sealed == ""
    assert api_key_of(stored(profile)) == ""


def test_a_key_does_not_open_in_another_profile() -> None:
    profile, other = ModelProfileFactory.create(), ModelProfileFactory.create()
    api_key_set(profile, KEY)
    other.api_key_sealed = profile.api_key_sealed
    with pytest.raises(AnalystUnavailable, match="belongs to another profile") as caught:
        api_key_of(other)
    assert KEY not in str(caught.value)


def test_a_lost_encryption_key_is_said_and_stops_the_profile(data_folder: Path) -> None:
    profile = ModelProfileFactory.create()
    api_key_set(profile, KEY)
    (data_folder / KEY_FILE).unlink()
    with pytest.raises(AnalystUnavailable, match="which is not here"):
        api_key_of(profile)
    assert "enter it anew in the profile" in profile_problem(profile)
    assert key_shown(profile).startswith("unreadable: ")


@pytest.mark.parametrize("key", ["two words", "line\nend", "clé", "k" * 501])
def test_what_cannot_be_a_key_is_refused_without_repeating_it(key: str) -> None:
    profile = ModelProfileFactory.create()
    with pytest.raises(KeyInvalid) as caught:
        api_key_set(profile, key)
    assert key not in str(caught.value)
    assert stored(profile).api_key_sealed == ""


def test_only_the_end_of_a_long_key_is_shown(settings: Settings) -> None:
    profile = ModelProfileFactory.create(base_url="")
    assert key_shown(profile) == "none"
    settings.OPENAI_API_KEY = KEY
    assert key_shown(profile) == "from OPENAI_API_KEY, ends in abcd"
    api_key_set(profile, "short-key")
    assert key_shown(profile) == "set here"
    api_key_set(profile, KEY[::-1])
    assert key_shown(profile) == "set here, ends in t-ks"


@pytest.mark.parametrize(
    ("base_url", "key"),
    [
        ("", KEY),
        ("https://api.openai.com/v1/", KEY),
        ("https://eu.api.openai.com/v1", KEY),
        ("https://api.openai.com.example/v1", ""),
        ("https://notapi.openai.com/v1", ""),
        ("http://127.0.0.1:9/v1", ""),
    ],
)
def test_the_key_of_the_environment_goes_to_openai_only(
    settings: Settings, base_url: str, key: str
) -> None:
    settings.OPENAI_API_KEY = KEY
    assert api_key_of(ModelProfileFactory.create(base_url=base_url)) == key


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"base_url": ""}, "enter one in the profile, or set OPENAI_API_KEY"),
        ({"base_url": "https://models.example/v1"}, "has no API key: enter one in the profile."),
        ({"base_url": "http://models.example/v1"}, "wants https"),
        ({"model": ""}, "names no model"),
        ({"input_price": Decimal(0)}, "has no prices"),
        ({"output_price": Decimal(0)}, "has no prices"),
    ],
)
def test_a_profile_says_why_it_cannot_ask(changes: dict[str, object], words: str) -> None:
    problem = profile_problem(ModelProfileFactory.create(**changes))
    assert words in problem
    assert bool(problem) == bool(words)


def test_rules_of_code_need_nothing() -> None:
    assert profile_problem(AnalystProfileFactory.create()) == ""


@pytest.mark.parametrize(
    "address",
    [
        "",
        "https://models.example/v1",
        "https://models.example:8443/v1",
        "http://127.0.0.1:8080/v1",
        "http://localhost:11434/v1",
        "http://[::1]:1234/v1",
    ],
)
def test_addresses_that_are_taken(address: str) -> None:
    assert base_url_problem(address) == ""


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("http://models.example/v1", "wants https"),
        ("http://192.168.1.5/v1", "wants https"),
        ("http://localhost.example/v1", "wants https"),
        ("ftp://models.example", "wants https"),
        ("models.example/v1", "not an address"),
        ("https:///v1", "not an address"),
        ("https://models.example:99999/v1", "not an address"),
        ("https://[::1/v1", "not an address"),
        ("https://models.example/v1\nx", "not an address"),
        ("https://models.example\\@evil.example/", "not an address"),
        ("https://user:pass@models.example/v1", "name or password"),
        ("https://@models.example/v1", "name or password"),
        ("https://models.example/v1?key=1", "query"),
        ("https://models.example/v1#x", "query"),
    ],
)
def test_addresses_that_are_refused(address: str, words: str) -> None:
    assert words in base_url_problem(address)
