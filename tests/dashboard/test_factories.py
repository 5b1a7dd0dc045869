"""The shared factories make rows that the database and the models accept."""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from factory.django import DjangoModelFactory

from tests import factories

FACTORIES: list[Any] = [
    value
    for value in vars(factories).values()
    if inspect.isclass(value) and issubclass(value, DjangoModelFactory)
]


@pytest.mark.django_db
@pytest.mark.parametrize("made_by", FACTORIES, ids=lambda f: f.__name__)
def test_factory_makes_two_valid_rows(made_by: Any) -> None:
    for row in (made_by(), made_by()):
        row.validate_constraints()
        assert str(row)
