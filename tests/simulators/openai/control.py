"""The control door: what tests in other processes, or people, may tell a running simulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.simulators.openai.server import OpenAiSim


class NoSuchControl(Exception):
    """A path under ``/_sim/`` that means nothing."""


class Control:
    """``/_sim/plant``, ``script``, ``clear``, ``calls`` and ``usage``."""

    def __init__(self, sim: OpenAiSim) -> None:
        self._sim = sim
        self._acts: dict[str, Callable[[Mapping[str, Any]], Any]] = {
            "plant": self._plant,
            "script": self._script,
            "clear": self._clear,
            "calls": lambda _: {"calls": [call.as_json() for call in sim.calls]},
            "usage": lambda _: sim.usage,
        }

    def act(self, name: str, params: Mapping[str, Any]) -> Any:
        """Carry out one control. Raises NoSuchControl, or ValueError on bad parameters."""
        if name not in self._acts:
            raise NoSuchControl(f"no control {name!r}; there are {', '.join(self._acts)}")
        return self._acts[name](params)

    def _plant(self, params: Mapping[str, Any]) -> dict[str, bool]:
        self._sim.plant(params["sha256"], params["truth"])
        return {"done": True}

    def _script(self, params: Mapping[str, Any]) -> dict[str, bool]:
        rest = {name: value for name, value in params.items() if name != "mode"}
        self._sim.script(params["mode"], **rest)
        return {"done": True}

    def _clear(self, _: Mapping[str, Any]) -> dict[str, bool]:
        self._sim.clear_scripts()
        return {"done": True}
