"""What every test may use: personas, deterministic properties, a clean layer between tests."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from hypothesis import settings
from pytest_django import DjangoDbBlocker

from trading.kill_file import kill_file

settings.register_profile("local", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") else "local")


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[None]:
    """A thread of a test that is over may hold its connection a moment longer, and PostgreSQL
    drops no database that somebody is connected to."""
    yield
    with django_db_blocker.unblock():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND pid <> pg_backend_pid()"
                )


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
