from __future__ import annotations

from collections.abc import Iterator

import pytest

from analysis.calls.gateway import ModelGateway
from tests.factories.analysis import ModelProfileFactory
from tests.simulators.openai.server import OpenAiSim


@pytest.fixture
def sim() -> Iterator[OpenAiSim]:
    # Loads the client once, which takes longer than the deadlines of some tests.
    ModelGateway(ModelProfileFactory.build(), "")
    with OpenAiSim() as running:
        yield running
