"""What each retCode of Bybit says about a request's fate: one table, nothing else decides."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from exchange.bybit.endpoints import Endpoint


class Kind(Enum):
    """What the caller must do."""

    OK = "ok"
    DEFINITIVE = "definitive"  # certainly not done, and never will be as it stands
    UNKNOWN = "unknown"  # may have been done: look it up
    THROTTLE = "throttle"  # certainly not done: come back later
    AUTHENTICATION = "authentication"  # the key is refused until a person mends it
    HALT = "halt"  # the account, address or region is refused


@dataclass(frozen=True, slots=True)
class Verdict:
    """``code`` is one of ``exchange.errors.REJECTIONS``, empty where nothing was rejected."""

    kind: Kind
    code: str = ""


OK = Verdict(Kind.OK)
UNKNOWN = Verdict(Kind.UNKNOWN)
_THROTTLE = Verdict(Kind.THROTTLE, "rate_limited")
_AUTHENTICATION = Verdict(Kind.AUTHENTICATION, "halted")
_HALT = Verdict(Kind.HALT, "halted")

_CLOCK = 10002
_PARAMETER = 10001
# The venue is overloaded and does not say how far a request had come.
_OVERLOAD = frozenset({429, 10429})
REGION_CODES = frozenset({10009, 10024})
ADDRESS_LIMIT = 10018

_DEFINITIVE: dict[str, tuple[int, ...]] = {
    "clock": (_CLOCK,),
    "duplicate_link_id": (110072, 20094, 170141),
    "insufficient_balance": (
        110004, 110006, 110007, 110012, 110044, 110045, 110051, 110052, 110053,
    ),
    "invalid_order": (
        _PARAMETER, 30208, 30209, 110003, 110057, 110058, 110059, 110060, 110061, 110064, 110094,
        110108, 110109, 110120, 110121,
    ),
    "leverage": (110013, 110085, 110086, 110089, 110090),
    "margin_mode": (10028, 100028, 110073),
    "no_position": (110034,),
    "order_not_open": (110001, 110008, 110010),
    "position_mode": (110024, 110028, 110029),
    "reduce_only": (110017,),
    "refused": (
        10017, 10032, 110005, 110009, 110011, 110020, 110021, 110035, 110039, 110040, 110046,
        110063, 110079, 110098, 110103,
    ),
    "stop_wrong_side": (110092, 110093),
    "symbol_closed": (10029, 30228, 110022, 110023, 110042, 110074, 110100),
}  # fmt: skip

_TABLE: dict[int, Verdict] = {
    0: OK,
    **{
        code: Verdict(Kind.DEFINITIVE, name)
        for name, codes in _DEFINITIVE.items()
        for code in codes
    },
    **dict.fromkeys((10006, ADDRESS_LIMIT), _THROTTLE),
    **dict.fromkeys((10003, 10004, 10005, 10007, 10010, 33004), _AUTHENTICATION),
    **dict.fromkeys((10008, 10027, 110066, 110123, 110124, 110125, 110132), _HALT),
    **dict.fromkeys(REGION_CODES, _HALT),
    # Listed for the reader: what is not in this table is unknown as well.
    **dict.fromkeys(
        (-1, 10000, 10014, 10016, 40004, 170007, 170032, 170146, 170147), UNKNOWN
    ),
}  # fmt: skip

# "Not modified" answers: the venue already has what was asked for.
_ALREADY_SO = {
    Endpoint.TRADING_STOP: frozenset({34040}),
    Endpoint.SET_LEVERAGE: frozenset({110043}),
    Endpoint.SWITCH_MODE: frozenset({110025}),
    Endpoint.SET_MARGIN_MODE: frozenset({110026, 110027}),
}

# A trigger on the wrong side of the market: of a new order price has passed it already.
_TRIGGER_SIDE = frozenset({110092, 110093})
TRIGGER_PASSED = Verdict(Kind.DEFINITIVE, "trigger_passed")

# One code covers several refusals; its words only choose between names of the same fate.
_WORDS = (
    ("zero position", "no_position"),
    ("position idx not match", "position_mode"),
    ("should lower than", "stop_wrong_side"),
    ("should be lower than", "stop_wrong_side"),
    ("should higher than", "stop_wrong_side"),
    ("should be higher than", "stop_wrong_side"),
    ("should greater than", "stop_wrong_side"),
    ("should be greater than", "stop_wrong_side"),
    ("symbol invalid", "unknown_symbol"),
    ("symbol is invalid", "unknown_symbol"),
)


def classify(ret_code: int, endpoint: Endpoint) -> Verdict:
    """The fate of a request that was answered with ``ret_code``; unlisted codes are unknown."""
    if ret_code in _ALREADY_SO.get(endpoint, ()):
        return OK
    if ret_code in _TRIGGER_SIDE and endpoint is Endpoint.PLACE_ORDER:
        return TRIGGER_PASSED
    if ret_code in _OVERLOAD:
        return UNKNOWN if endpoint.call.write else _THROTTLE
    return _TABLE.get(ret_code, UNKNOWN)


def refine(verdict: Verdict, ret_code: int, text: str) -> Verdict:
    """Name a parameter error more closely by its words. Its kind never changes."""
    if ret_code != _PARAMETER:
        return verdict
    lowered = text.lower()
    for words, code in _WORDS:
        if words in lowered:
            return Verdict(verdict.kind, code)
    return verdict
