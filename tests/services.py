"""Private data folder for the tests, made before Django reads its settings."""

from __future__ import annotations

import os
import tempfile

import pytest


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    os.environ.setdefault("AUTOTRADER_DATA", tempfile.mkdtemp(prefix="autotrader-test-"))
