"""What the simulated exchange shows: pages, windows, retention, lag, modes and market data."""

from __future__ import annotations

import time
from decimal import Decimal

import pytest

from tests.simulators.bench import HOUR_MS, START_MS, Bench

DAY_MS = 24 * HOUR_MS


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_pages_are_newest_first_and_the_last_one_still_has_a_cursor(bench: Bench) -> None:
    ids = [bench.limit("Buy", "0.1", "99") for _ in range(5)]
    first = bench.get("/v5/order/realtime", symbol="BTCUSDT", limit="3")
    assert [row["orderId"] for row in first["list"]] == ids[:1:-1]
    cursor = first["nextPageCursor"]
    assert cursor.startswith("page_args%3D")
    last = bench.get("/v5/order/realtime", symbol="BTCUSDT", limit=3, cursor=cursor)
    assert [row["orderId"] for row in last["list"]] == ids[1::-1]
    cursor = last["nextPageCursor"].replace("%", "%25")
    beyond = bench.get("/v5/order/realtime", symbol="BTCUSDT", limit=3, cursor=cursor)
    assert beyond["list"] == []
    assert beyond["nextPageCursor"] == ""


def test_bad_limits_and_cursors_are_refused(bench: Bench) -> None:
    for wrong in ({"limit": "51"}, {"limit": "0"}, {"limit": "1.5"}, {"cursor": "x"}):
        answer = bench.call("GET", "/v5/order/realtime", symbol="BTCUSDT", **wrong)
        assert answer.ret_code == 10001


def test_realtime_needs_a_symbol_or_coin_even_with_an_id(bench: Bench) -> None:
    assert bench.call("GET", "/v5/order/realtime", orderLinkId="x").ret_code == 10001
    assert bench.rows("/v5/order/realtime", settleCoin="USDT") == []
    assert bench.rows("/v5/order/realtime", baseCoin="BTC") == []


def test_open_only_chooses_between_open_and_recently_closed(bench: Bench) -> None:
    open_id = bench.limit("Buy", "1", "99", orderLinkId="open")
    done_id = bench.placed(qty="1", orderLinkId="done")
    path = "/v5/order/realtime"
    shown = bench.rows(path, symbol="BTCUSDT")
    closed = bench.rows(path, symbol="BTCUSDT", openOnly=1)
    assert [row["orderId"] for row in shown] == [open_id]
    assert [row["orderId"] for row in closed] == [done_id]
    for open_only in (0, 1):
        found = bench.rows(path, symbol="BTCUSDT", orderLinkId="done", openOnly=open_only)
        assert [row["orderId"] for row in found] == [done_id]
    bench.exchange.forget_recent()
    assert bench.rows(path, symbol="BTCUSDT", orderLinkId="done") == []
    assert [row["orderId"] for row in bench.rows("/v5/order/history")] == [done_id]


def test_order_filter_tells_orders_from_stops(bench: Bench) -> None:
    bench.placed(qty="1", stopLoss="95")
    conditional = bench.placed(triggerPrice="105", triggerDirection=1)
    resting = bench.limit("Buy", "1", "97")
    path = "/v5/order/realtime"
    orders = bench.rows(path, symbol="BTCUSDT", orderFilter="Order")
    stops = bench.rows(path, symbol="BTCUSDT", orderFilter="StopOrder")
    assert [row["orderId"] for row in orders] == [resting]
    assert {row["stopOrderType"] for row in stops} == {"StopLoss", "Stop"}
    assert conditional in {row["orderId"] for row in stops}
    assert len(bench.rows(path, settleCoin="USDT")) == 3


def test_unfilled_cancels_are_forgotten_after_a_day(bench: Bench) -> None:
    cancelled = bench.limit("Buy", "1", "99")
    bench.call("POST", "/v5/order/cancel", symbol="BTCUSDT", orderId=cancelled)
    filled = bench.placed(qty="1")
    history = "/v5/order/history"
    assert [row["orderId"] for row in bench.rows(history)] == [filled, cancelled]
    found = bench.rows(history, orderStatus="Cancelled")
    assert [row["orderId"] for row in found] == [cancelled]
    bench.wait(DAY_MS + 1)
    assert [row["orderId"] for row in bench.rows(history)] == [filled]


def test_histories_are_read_in_windows_of_seven_days(bench: Bench) -> None:
    bench.placed(qty="1")
    bench.placed("Sell", "1")
    bench.wait(8 * DAY_MS)
    paths = ("/v5/order/history", "/v5/execution/list", "/v5/position/closed-pnl")
    for path in paths:
        assert bench.rows(path) == []
        assert len(bench.rows(path, startTime=START_MS)) > 0
        assert len(bench.rows(path, startTime=str(START_MS), endTime=START_MS + DAY_MS)) > 0
        too_long = bench.call("GET", path, startTime=START_MS, endTime=bench.now_ms)
        assert too_long.ret_code == 10001
    assert len(bench.rows("/v5/account/transaction-log", endTime=START_MS + 1)) == 2
    assert bench.rows("/v5/account/transaction-log") == []


def test_executions_by_client_id_override_the_other_filters(bench: Bench) -> None:
    bench.placed(qty="1", orderLinkId="at-1")
    bench.placed(qty="1", orderLinkId="at-2")
    found = bench.rows("/v5/execution/list", orderLinkId="at-1", symbol="ETHUSDT")
    assert [row["orderLinkId"] for row in found] == ["at-1"]
    assert len(bench.rows("/v5/execution/list", symbol="BTCUSDT", execType="Trade")) == 2
    assert bench.rows("/v5/execution/list", execType="Funding") == []


def test_reads_lag_behind_each_in_its_own_way(bench: Bench) -> None:
    bench.exchange.lag_ms.update(realtime=300, history=2000, executions=1000, positions=500)
    order_id = bench.placed(qty="1")
    path = "/v5/order/realtime"
    assert bench.rows(path, symbol="BTCUSDT", orderId=order_id) == []
    assert bench.position()["size"] == "0"
    bench.wait(300)
    assert bench.seen(order_id)["orderStatus"] == "Filled"
    bench.wait(200)
    assert bench.position()["size"] == "1"
    assert bench.rows("/v5/execution/list") == []
    bench.wait(500)
    assert len(bench.rows("/v5/execution/list")) == 1
    assert bench.rows("/v5/order/history") == []
    bench.wait(1000)
    assert len(bench.rows("/v5/order/history")) == 1


def test_a_lagging_reader_sees_a_filled_order_as_open(bench: Bench) -> None:
    order_id = bench.limit("Buy", "1", "99")
    bench.price("98")
    bench.exchange.lag_ms["realtime"] = 500
    assert bench.seen(order_id)["orderStatus"] == "New"
    assert len(bench.rows("/v5/order/realtime", symbol="BTCUSDT")) == 1
    bench.wait(500)
    assert bench.rows("/v5/order/realtime", symbol="BTCUSDT") == []


def test_positions_by_symbol_include_flat_ones_by_coin_only_open_ones(bench: Bench) -> None:
    flat = bench.position()
    assert (flat["size"], flat["side"], flat["liqPrice"], flat["seq"]) == ("0", "", "", -1)
    assert bench.rows("/v5/position/list", settleCoin="USDT") == []
    bench.placed(qty="1")
    shown = bench.rows("/v5/position/list", settleCoin="USDT")
    assert [row["symbol"] for row in shown] == ["BTCUSDT"]
    assert shown[0]["liqPrice"] == "90.5"
    assert bench.get("/v5/position/list", symbol="BTCUSDT")["nextPageCursor"] != ""
    assert bench.call("GET", "/v5/position/list").ret_code == 10001


def test_hedge_mode_has_two_rows_and_needs_an_index(bench: Bench) -> None:
    switch = "/v5/position/switch-mode"
    assert bench.call("POST", switch, symbol="BTCUSDT", mode=0).ret_code == 110025
    assert bench.call("POST", switch, coin="USDT", mode=3).ret_code == 0
    rows = bench.rows("/v5/position/list", symbol="BTCUSDT")
    assert [row["positionIdx"] for row in rows] == [1, 2]
    assert bench.order().ret_code == 10001
    assert bench.order("Buy", "1", positionIdx=1).ret_code == 0
    assert bench.order("Sell", "1", positionIdx=2).ret_code == 0
    sizes = [row["size"] for row in bench.rows("/v5/position/list", symbol="BTCUSDT")]
    assert sizes == ["1", "1"]
    assert bench.order("Sell", "0.4", positionIdx=1).ret_code == 0
    assert bench.order("Buy", "1", positionIdx=2, reduceOnly=True).ret_code == 0
    sizes = [row["size"] for row in bench.rows("/v5/position/list", symbol="BTCUSDT")]
    assert sizes == ["0.6", "0"]
    assert bench.call("POST", switch, coin="USDT", mode=0).ret_code == 110024
    bench.exchange.user_close("BTCUSDT")
    bench.limit("Buy", "1", "99", positionIdx=1)
    assert bench.call("POST", switch, symbol="BTCUSDT", mode=0).ret_code == 110028


def test_leverage_and_its_refusals(bench: Bench) -> None:
    def leverage(buy: str, sell: str) -> int:
        path = "/v5/position/set-leverage"
        request = {"symbol": "BTCUSDT", "buyLeverage": buy, "sellLeverage": sell}
        return bench.call("POST", path, **request).ret_code

    assert leverage("10", "10") == 110043
    assert leverage("5", "5") == 0
    assert bench.position()["leverage"] == "5"
    assert leverage("5", "4") == 10001
    assert leverage("0.5", "0.5") == 10001
    assert leverage("101", "101") == 110013
    bench.exchange.user_leverage("BTCUSDT", Decimal(3))
    assert bench.position()["leverage"] == "3"


def test_account_facts(bench: Bench) -> None:
    info = bench.get("/v5/account/info")
    assert (info["marginMode"], info["unifiedMarginStatus"]) == ("ISOLATED_MARGIN", 5)
    wallet = bench.rows("/v5/account/wallet-balance", accountType="UNIFIED", coin="USDT")[0]
    assert wallet["totalAvailableBalance"] == ""
    assert wallet["coin"][0]["availableToWithdraw"] == ""
    path = "/v5/account/set-margin-mode"
    assert bench.call("POST", path, setMarginMode="REGULAR_MARGIN").ret_code == 0
    assert bench.call("POST", path, setMarginMode="CROSS").ret_code == 10001
    wallet = bench.rows("/v5/account/wallet-balance", accountType="UNIFIED")[0]
    assert wallet["totalAvailableBalance"] == "1000"
    assert bench.call("GET", "/v5/account/wallet-balance", accountType="SPOT").ret_code == 10001


def test_fee_rate_is_missing_on_demo_only(bench: Bench) -> None:
    assert bench.call("GET", "/v5/account/fee-rate").ret_code == 10032
    rows = Bench(profile="main2026").rows("/v5/account/fee-rate", symbol="BTCUSDT")
    assert rows == [{"symbol": "BTCUSDT", "takerFeeRate": "0.00055", "makerFeeRate": "0.0002"}]


def test_profiles_spell_absent_values_differently() -> None:
    spellings = {}
    for profile in ("demo2026", "main2026", "main2023"):
        bench = Bench(profile=profile)
        flat = bench.position()
        order = bench.seen(bench.limit("Buy", "1", "99"))
        spellings[profile] = (flat["side"], flat["stopLoss"], order["stopOrderType"])
        assert ("aFieldOfTomorrow" in order) == (profile != "main2023")
    assert spellings == {
        "demo2026": ("", "", ""),
        "main2026": ("", "0", "UNKNOWN"),
        "main2023": ("None", "0.00", "UNKNOWN"),
    }


def test_key_facts_take_effect(bench: Bench) -> None:
    assert bench.get("/v5/user/query-api")["readOnly"] == 0
    bench.exchange.set_key(readOnly=1, ips=["*"])
    assert bench.get("/v5/user/query-api")["ips"] == ["*"]
    assert bench.order().ret_code == 10005
    bench.exchange.set_key(readOnly=0, permissions={"Wallet": ["Withdraw"]})
    permissions = bench.get("/v5/user/query-api")["permissions"]
    assert permissions["Wallet"] == ["Withdraw"]
    assert permissions["ContractTrade"] == ["Order", "Position"]
    bench.exchange.set_key(permissions={"ContractTrade": []})
    assert bench.order().ret_code == 10005
    bench.exchange.set_key(permissions={}, expiredAt="2026-01-05T00:00:10Z")
    assert bench.order().ret_code == 0
    bench.wait(10_000)
    assert bench.call("GET", "/v5/user/query-api").ret_code == 33004


def test_instruments_come_in_pages(bench: Bench) -> None:
    first = bench.get("/v5/market/instruments-info", limit=1)
    second = bench.get("/v5/market/instruments-info", limit=1, cursor=first["nextPageCursor"])
    names = [page["list"][0]["symbol"] for page in (first, second)]
    assert names == ["BTCUSDT", "ETHUSDT"]
    row = bench.rows("/v5/market/instruments-info", symbol="BTCUSDT")[0]
    assert row["priceFilter"]["tickSize"] == "0.10"
    assert row["lotSizeFilter"]["minNotionalValue"] == "5"
    assert bench.call("GET", "/v5/market/instruments-info", symbol="X").ret_code == 10001


def test_tickers_and_price_limit(bench: Bench) -> None:
    bench.price("110")
    rows = bench.rows("/v5/market/tickers")
    assert {row["symbol"]: row["lastPrice"] for row in rows} == {
        "BTCUSDT": "110",
        "ETHUSDT": "100",
    }
    limits = bench.get("/v5/market/price-limit", symbol="BTCUSDT")
    assert (limits["buyLmt"], limits["sellLmt"]) == ("115.5", "104.5")


def test_candles_are_newest_first_beginning_with_the_unfinished_one(bench: Bench) -> None:
    bench.wait(10 * HOUR_MS + 60_000)

    def starts(**params: int) -> list[int]:
        request = {"symbol": "BTCUSDT", "interval": "60", **params}
        rows = bench.get("/v5/market/kline", **request)["list"]
        return [(int(row[0]) - START_MS) // HOUR_MS for row in rows]

    hour = START_MS
    assert starts(limit=3) == [10, 9, 8]
    assert starts(limit=3, start=hour + 2 * HOUR_MS) == [4, 3, 2]
    assert starts(limit=3, start=hour + 2 * HOUR_MS - 1000) == [4, 3, 2]
    assert starts(limit=3, end=hour + 5 * HOUR_MS) == [5, 4, 3]
    assert starts(start=hour, end=hour + 2 * HOUR_MS) == [2, 1, 0]
    assert starts(start=hour + 20 * HOUR_MS) == []
    assert len(starts()) == 200


def test_long_candles_begin_where_the_calendar_does(bench: Bench) -> None:
    def newest(interval: str) -> list[str]:
        request = {"symbol": "BTCUSDT", "interval": interval, "limit": 2}
        rows = bench.get("/v5/market/kline", **request)["list"]
        return [row[0] for row in rows]

    bench.wait(30 * DAY_MS)
    # 2026-02-04, a Wednesday: the week began on the 2nd, the month on the 1st.
    monday = START_MS + 28 * DAY_MS
    assert newest("W") == [str(monday), str(monday - 7 * DAY_MS)]
    first = monday - DAY_MS
    assert newest("M") == [str(first), str(first - 31 * DAY_MS)]
    assert newest("D")[0] == str(bench.now_ms)


def test_funding_history_needs_an_end_with_its_start(bench: Bench) -> None:
    path = "/v5/market/funding/history"
    assert len(bench.rows(path, symbol="BTCUSDT")) == 200
    assert bench.call("GET", path, symbol="BTCUSDT", startTime=START_MS).ret_code == 10001
    rows = bench.rows(path, symbol="BTCUSDT", startTime=START_MS - 16 * HOUR_MS, endTime=START_MS)
    stamps = [int(row["fundingRateTimestamp"]) for row in rows]
    assert stamps == [START_MS, START_MS - 8 * HOUR_MS, START_MS - 16 * HOUR_MS]


def test_idle_requests_are_cheap(bench: Bench) -> None:
    bench.position()
    began = time.perf_counter()
    for _ in range(300):
        bench.now_ms += 10
        bench.position()
    assert (time.perf_counter() - began) / 300 < 0.0015
