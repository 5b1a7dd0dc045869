"""Rows of the simulated exchange have every field of Bybit's own samples, with the same types."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.services import SHARED_DATA
from tests.simulators.bench import Bench

SAMPLES = SHARED_DATA / "bybit" / "official-samples"
pytestmark = [
    pytest.mark.shared_data,
    pytest.mark.skipif(not SAMPLES.is_dir(), reason="no samples: ../shared/data is absent"),
]
# A spelling of the sample's page that no recorded payload has.
MISSPELT = {"mmrSysUpdateTime"}


def sample(name: str) -> Any:
    return json.loads((SAMPLES / f"{name}.json").read_text())


@pytest.fixture
def bench() -> Bench:
    bench = Bench()
    bench.placed(qty="1", stopLoss="95")
    bench.limit("Buy", "1", "97")
    bench.placed("Sell", "0.5", reduceOnly=True)
    return bench


def odd_fields(theirs: dict[str, Any], ours: dict[str, Any]) -> set[str]:
    """Fields that ours lack or hold as another type."""
    shared = set(theirs) & set(ours) - {"extraFees"}
    different = {name for name in shared if type(theirs[name]) is not type(ours[name])}
    return different | set(theirs) - set(ours) - MISSPELT


@pytest.mark.parametrize(
    ("name", "path", "params"),
    [
        ("order__open-order.0a", "/v5/order/realtime", {"symbol": "BTCUSDT"}),
        ("order__order-list.0a", "/v5/order/history", {}),
        ("order__execution.0a", "/v5/execution/list", {}),
        ("position__position.0a", "/v5/position/list", {"symbol": "BTCUSDT"}),
        ("position__close-pnl.0a", "/v5/position/closed-pnl", {}),
        ("account__transaction-log.0a", "/v5/account/transaction-log", {}),
        ("account__wallet-balance.0a", "/v5/account/wallet-balance", {"accountType": "UNIFIED"}),
        ("market__tickers.0a", "/v5/market/tickers", {"symbol": "BTCUSDT"}),
        ("market__instrument.0a", "/v5/market/instruments-info", {"symbol": "BTCUSDT"}),
    ],
)
def test_listed_rows(bench: Bench, name: str, path: str, params: dict[str, str]) -> None:
    theirs, ours = sample(name)["result"]["list"][0], bench.rows(path, **params)[0]
    assert odd_fields(theirs, ours) == set()
    for field, value in theirs.items():
        if isinstance(value, dict) and value and ours[field]:
            assert set(value) - set(ours[field]) - {"MNT"} == set()


@pytest.mark.parametrize(
    ("name", "path", "params"),
    [
        ("account__account-info.0a", "/v5/account/info", {}),
        ("user__apikey-info.0a", "/v5/user/query-api", {}),
        ("market__time.0a", "/v5/market/time", {}),
        ("market__order-price-limit.0a", "/v5/market/price-limit", {"symbol": "BTCUSDT"}),
    ],
)
def test_single_results(bench: Bench, name: str, path: str, params: dict[str, str]) -> None:
    assert odd_fields(sample(name)["result"], bench.get(path, **params)) == set()


@pytest.mark.parametrize("topic", ["order", "execution", "position", "wallet"])
def test_pushed_rows(bench: Bench, topic: str) -> None:
    ours = next(rows[0] for pushed, _, rows in bench.pushed if pushed == topic)
    assert odd_fields(sample(f"websocket__private__{topic}.1a")["data"][0], ours) == set()
