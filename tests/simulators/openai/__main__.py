"""The simulated model server on its own: ``python -m tests.simulators.openai --port 9100``."""

from __future__ import annotations

import argparse
import asyncio
import signal

from tests.simulators.openai.modes import MODES
from tests.simulators.openai.server import OpenAiSim


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    asked = _parser().parse_args()
    sim = OpenAiSim(
        asked.port,
        seed=asked.seed,
        key=asked.key,
        mode=asked.mode,
        requests_per_minute=asked.requests_per_minute,
    )
    asyncio.run(_serve(sim))


async def _serve(sim: OpenAiSim) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    serving = asyncio.create_task(sim.serve(stopping))
    listening = asyncio.create_task(sim.listening())
    await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
    if listening.done():
        print(f"openai simulator: {sim.url}", flush=True)
    listening.cancel()
    await serving
    if sim.failure is not None:
        raise sim.failure


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.openai", description=__doc__)
    parser.add_argument("--port", type=int, default=9100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--key", default="sim-key")
    parser.add_argument("--mode", choices=sorted(MODES), default="reader")
    parser.add_argument("--requests-per-minute", type=int, default=10_000, help="then 429")
    return parser


if __name__ == "__main__":
    main()
