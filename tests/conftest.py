"""What every test may use: personas, deterministic properties, a clean layer between tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.test import Client
from hypothesis import settings

from trading.kill_file import kill_file

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(autouse=True)
def entries_on() -> Iterator[None]:
    """A test that presses the kill switch leaves no KILL file to the next one."""
    yield
    kill_file().unlink(missing_ok=True)


@pytest.fixture
def operator(transactional_db: None) -> User:
    """The person who runs the console, as the first start makes them."""
    return User.objects.create_superuser("operator", password="a long test password")


@pytest.fixture
def viewer(transactional_db: None) -> User:
    """Someone who may sign in and look."""
    return User.objects.create_user("viewer", password="a long test password")


@pytest.fixture
def operator_client(operator: User) -> Client:
    """A browser in which the operator has signed in."""
    client = Client()
    client.force_login(operator)
    return client
