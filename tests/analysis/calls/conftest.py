from __future__ import annotations

from collections.abc import Iterator

import pytest

from analysis.calls.asking import Asking
from tests.analysis.calls.asking_kit import asking_of, profile_at
from tests.analysis.calls.model_server import ModelServer, model_server
from tests.simulators.openai.server import OpenAiSim


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with model_server() as running:
        yield running


@pytest.fixture
def asking(sim: OpenAiSim) -> Asking:
    return asking_of(profile_at(sim))
