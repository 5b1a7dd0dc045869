"""Labels of the venue's stored states."""

from __future__ import annotations

from exchange.labels import Labelled


class Mode(Labelled):
    """What an account trades on. Only LIVE is real money."""

    SIM = "SIM", "Simulated market"
    REPLAY = "REPLAY", "Stored candles"
    PAPER = "PAPER", "Live prices, simulated fills"
    DEMO = "DEMO", "Bybit demo"
    TESTNET = "TESTNET", "Bybit testnet"
    LIVE = "LIVE", "Real money"


class Region(Labelled):
    """The site an account was opened on; each has its own hosts."""

    GLOBAL = "bybit.com", "Bybit global (bybit.com)"
    BYTICK = "bytick.com", "Bybit global, second address (bytick.com)"
    NETHERLANDS = "bybit.nl", "Netherlands (bybit.nl)"
    TURKEY = "bybit.tr", "Turkey (bybit.tr)"
    KAZAKHSTAN = "bybit.kz", "Kazakhstan (bybit.kz)"
    GEORGIA = "bybitgeorgia.ge", "Georgia (bybitgeorgia.ge)"
    EMIRATES = "bybit.ae", "United Arab Emirates (bybit.ae)"
    EUROPE = "bybit.eu", "European Economic Area (bybit.eu)"
    INDONESIA = "bybit.id", "Indonesia (bybit.id)"
    JAPAN = "manepa.jp", "Japan (manepa.jp)"


class LinkState(Labelled):
    """How a connection to the venue stands."""

    OK = "ok", "Connected"
    DEGRADED = "degraded", "Degraded"
    OPEN = "open", "Circuit open: pausing"
    HALTED = "halted", "Halted: needs a person"


BYBIT_MODES = frozenset({Mode.DEMO, Mode.TESTNET, Mode.LIVE})
REAL_MONEY_MODES = frozenset({Mode.LIVE})
PAPER_LEDGER_MODES = frozenset({Mode.SIM, Mode.REPLAY, Mode.PAPER})
