"""Every retCode of the reference has its row, and everything else is unknown."""

from __future__ import annotations

import pytest

from exchange.bybit.endpoints import Endpoint
from exchange.bybit.retcodes import Kind, Verdict, classify, refine
from exchange.errors import REJECTIONS

OK, UNKNOWN, THROTTLE = Kind.OK, Kind.UNKNOWN, Kind.THROTTLE
DEFINITIVE, AUTHENTICATION, HALT = Kind.DEFINITIVE, Kind.AUTHENTICATION, Kind.HALT

ON_CREATE = [
    (0, OK, ""),
    (-1, UNKNOWN, ""),
    (429, UNKNOWN, ""),
    (10429, UNKNOWN, ""),
    (10000, UNKNOWN, ""),
    (10001, DEFINITIVE, "invalid_order"),
    (10002, DEFINITIVE, "clock"),
    (10003, AUTHENTICATION, "halted"),
    (10004, AUTHENTICATION, "halted"),
    (10005, AUTHENTICATION, "halted"),
    (10006, THROTTLE, "rate_limited"),
    (10007, AUTHENTICATION, "halted"),
    (10008, HALT, "halted"),
    (10009, HALT, "halted"),
    (10010, AUTHENTICATION, "halted"),
    (10014, UNKNOWN, ""),
    (10016, UNKNOWN, ""),
    (10017, DEFINITIVE, "refused"),
    (10018, THROTTLE, "rate_limited"),
    (10024, HALT, "halted"),
    (10027, HALT, "halted"),
    (10028, DEFINITIVE, "margin_mode"),
    (100028, DEFINITIVE, "margin_mode"),
    (10029, DEFINITIVE, "symbol_closed"),
    (10032, DEFINITIVE, "refused"),
    (20094, DEFINITIVE, "duplicate_link_id"),
    (30208, DEFINITIVE, "invalid_order"),
    (30209, DEFINITIVE, "invalid_order"),
    (30228, DEFINITIVE, "symbol_closed"),
    (33004, AUTHENTICATION, "halted"),
    (34040, UNKNOWN, ""),
    (40004, UNKNOWN, ""),
    (110001, DEFINITIVE, "order_not_open"),
    (110003, DEFINITIVE, "invalid_order"),
    (110004, DEFINITIVE, "insufficient_balance"),
    (110005, DEFINITIVE, "refused"),
    (110006, DEFINITIVE, "insufficient_balance"),
    (110007, DEFINITIVE, "insufficient_balance"),
    (110008, DEFINITIVE, "order_not_open"),
    (110009, DEFINITIVE, "refused"),
    (110010, DEFINITIVE, "order_not_open"),
    (110011, DEFINITIVE, "refused"),
    (110012, DEFINITIVE, "insufficient_balance"),
    (110013, DEFINITIVE, "leverage"),
    (110017, DEFINITIVE, "reduce_only"),
    (110020, DEFINITIVE, "refused"),
    (110021, DEFINITIVE, "refused"),
    (110022, DEFINITIVE, "symbol_closed"),
    (110023, DEFINITIVE, "symbol_closed"),
    (110024, DEFINITIVE, "position_mode"),
    (110025, UNKNOWN, ""),
    (110026, UNKNOWN, ""),
    (110027, UNKNOWN, ""),
    (110028, DEFINITIVE, "position_mode"),
    (110029, DEFINITIVE, "position_mode"),
    (110034, DEFINITIVE, "no_position"),
    (110035, DEFINITIVE, "refused"),
    (110039, DEFINITIVE, "refused"),
    (110040, DEFINITIVE, "refused"),
    (110042, DEFINITIVE, "symbol_closed"),
    (110043, UNKNOWN, ""),
    (110044, DEFINITIVE, "insufficient_balance"),
    (110045, DEFINITIVE, "insufficient_balance"),
    (110046, DEFINITIVE, "refused"),
    (110051, DEFINITIVE, "insufficient_balance"),
    (110052, DEFINITIVE, "insufficient_balance"),
    (110053, DEFINITIVE, "insufficient_balance"),
    (110057, DEFINITIVE, "invalid_order"),
    (110058, DEFINITIVE, "invalid_order"),
    (110059, DEFINITIVE, "invalid_order"),
    (110060, DEFINITIVE, "invalid_order"),
    (110061, DEFINITIVE, "invalid_order"),
    (110063, DEFINITIVE, "refused"),
    (110064, DEFINITIVE, "invalid_order"),
    (110066, HALT, "halted"),
    (110072, DEFINITIVE, "duplicate_link_id"),
    (110073, DEFINITIVE, "margin_mode"),
    (110074, DEFINITIVE, "symbol_closed"),
    (110079, DEFINITIVE, "refused"),
    (110085, DEFINITIVE, "leverage"),
    (110086, DEFINITIVE, "leverage"),
    (110089, DEFINITIVE, "leverage"),
    (110090, DEFINITIVE, "leverage"),
    (110092, DEFINITIVE, "trigger_passed"),
    (110093, DEFINITIVE, "trigger_passed"),
    (110094, DEFINITIVE, "invalid_order"),
    (110098, DEFINITIVE, "refused"),
    (110100, DEFINITIVE, "symbol_closed"),
    (110103, DEFINITIVE, "refused"),
    (110108, DEFINITIVE, "invalid_order"),
    (110109, DEFINITIVE, "invalid_order"),
    (110120, DEFINITIVE, "invalid_order"),
    (110121, DEFINITIVE, "invalid_order"),
    (110123, HALT, "halted"),
    (110124, HALT, "halted"),
    (110125, HALT, "halted"),
    (110132, HALT, "halted"),
    (170007, UNKNOWN, ""),
    (170032, UNKNOWN, ""),
    (170141, DEFINITIVE, "duplicate_link_id"),
    (170146, UNKNOWN, ""),
    (170147, UNKNOWN, ""),
    (1, UNKNOWN, ""),
    (999999, UNKNOWN, ""),
]

ELSEWHERE = [
    (34040, Endpoint.TRADING_STOP, OK),
    (110043, Endpoint.SET_LEVERAGE, OK),
    (110025, Endpoint.SWITCH_MODE, OK),
    (110026, Endpoint.SET_MARGIN_MODE, OK),
    (110027, Endpoint.SET_MARGIN_MODE, OK),
    (34040, Endpoint.SET_LEVERAGE, UNKNOWN),
    (429, Endpoint.POSITIONS, THROTTLE),
    (10429, Endpoint.TICKERS, THROTTLE),
    (110001, Endpoint.CANCEL_ORDER, DEFINITIVE),
    (10016, Endpoint.POSITIONS, UNKNOWN),
]

# Recorded texts of the one code that covers several refusals.
PARAMETER_TEXTS = [
    ("can not set tp/sl/ts for zero position", "no_position"),
    (
        "StopLoss:90000000 set for Buy position should lower than base_price:80000000??LastPrice",
        "stop_wrong_side",
    ),
    ("TakeProfit:1 set for Buy position should be higher than base_price:2", "stop_wrong_side"),
    ("position idx not match position mode", "position_mode"),
    ("params error: symbol invalid BTCUSDTX", "unknown_symbol"),
    ("params error: side invalid", "invalid_order"),
    ("", "invalid_order"),
]


@pytest.mark.parametrize(("code", "kind", "name"), ON_CREATE)
def test_code_of_an_order(code: int, kind: Kind, name: str) -> None:
    assert classify(code, Endpoint.PLACE_ORDER) == Verdict(kind, name)
    assert name == "" or name in REJECTIONS


@pytest.mark.parametrize(("code", "endpoint", "kind"), ELSEWHERE)
def test_code_that_depends_on_the_endpoint(code: int, endpoint: Endpoint, kind: Kind) -> None:
    assert classify(code, endpoint).kind is kind


@pytest.mark.parametrize(("text", "name"), PARAMETER_TEXTS)
def test_words_name_a_parameter_error(text: str, name: str) -> None:
    verdict = classify(10001, Endpoint.TRADING_STOP)
    assert refine(verdict, 10001, text) == Verdict(DEFINITIVE, name)


@pytest.mark.parametrize("code", [0, 10000, 10006, 110017, 999999])
def test_words_of_other_codes_say_nothing(code: int) -> None:
    verdict = classify(code, Endpoint.PLACE_ORDER)
    assert refine(verdict, code, "can not set tp/sl/ts for zero position") == verdict
