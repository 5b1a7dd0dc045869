"""One simulator for a module's tests, behind a door for each of its interfaces."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.analysis.openai_simulator.door import APIS, Door
from tests.simulators.openai.server import OpenAiSim


@pytest.fixture(scope="module")
def running() -> Iterator[dict[str, Door]]:
    """A door for each interface of one simulator."""
    with OpenAiSim() as sim:
        doors = {api: Door(sim, api) for api in APIS}
        yield doors
        for door in doors.values():
            door.client.close()


@pytest.fixture(params=APIS)
def door(running: dict[str, Door], request: pytest.FixtureRequest) -> Iterator[Door]:
    yield running[request.param]
    running[request.param].sim.clear_scripts()
