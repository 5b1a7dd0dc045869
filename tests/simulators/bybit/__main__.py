"""The simulated exchange on its own: ``python -m tests.simulators.bybit --port 9000``."""

from __future__ import annotations

import argparse
import asyncio
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from tests.simulators.bybit.limits import IP_REQUESTS
from tests.simulators.bybit.server import SimServer


def main() -> None:
    """Serve until SIGINT or SIGTERM."""
    asked = _parser().parse_args()
    server = SimServer(
        asked.port,
        seed=asked.seed,
        usdt=asked.usdt,
        key=asked.key,
        secret=asked.secret,
        accounts=asked.accounts,
        duplicate_ids=asked.duplicate_ids,
        profile=asked.profile,
        speed=asked.speed,
        start_ms=asked.start,
        volatility=asked.volatility,
        ledger_file=asked.ledger,
        ip_requests=asked.ip_requests,
    )
    asyncio.run(server.serve_alone(lambda: _greeting(server)))


def _greeting(server: SimServer) -> str:
    streams = f"{server.ws_url}/v5/public/linear {server.ws_url}/v5/private"
    return f"bybit simulator: {server.url} {streams}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.simulators.bybit", description=__doc__)
    parser.add_argument("--port", type=int, default=9000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--usdt", type=Decimal, default=Decimal(10_000))
    parser.add_argument("--key", default="sim-key")
    parser.add_argument("--secret", default="sim-secret")
    parser.add_argument("--accounts", type=int, default=1)
    parser.add_argument("--duplicate-ids", choices=("reject", "accept_if_closed"), default="reject")
    parser.add_argument("--profile", default="demo2026")
    parser.add_argument("--speed", type=float, default=1.0)
    parser.add_argument("--start", type=_instant, help="UTC, ISO 8601; now if left out")
    parser.add_argument("--volatility", type=float, default=1.0, help="multiplies every move")
    parser.add_argument("--ip-requests", type=int, default=IP_REQUESTS, help="per 5 s, then 403")
    parser.add_argument("--ledger", type=Path, help="append what happened as JSON lines")
    return parser


def _instant(text: str) -> int:
    moment = datetime.fromisoformat(text)
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1000)


if __name__ == "__main__":
    main()
