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


PAPER_LEDGER_MODES = frozenset({Mode.SIM, Mode.REPLAY, Mode.PAPER})
