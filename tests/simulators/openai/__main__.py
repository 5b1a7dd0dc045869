"""The simulated model server on its own: ``python -m tests.simulators.openai --port 9100``."""

from __future__ import annotations

import argparse
import asyncio

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
    asyncio.run(sim.serve_alone(lambda: f"openai simulator: {sim.url}"))


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
