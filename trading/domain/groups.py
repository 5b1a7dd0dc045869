"""Groups of symbols that tend to move together and count as one bet."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

MAJORS = "majors"

# By base coin, as the market speaks of them.
_COINS: Mapping[str, str] = {
    MAJORS: "BTC ETH",
    "L1": "SOL ADA AVAX DOT NEAR APT SUI SEI TON TRX ATOM ALGO HBAR ICP EOS EGLD KAS FTM S INJ"
    " TIA ETC",
    "L2": "ARB OP MATIC POL STRK ZK MNT IMX MANTA METIS BLAST",
    "meme": "DOGE SHIB PEPE WIF BONK FLOKI BRETT POPCAT MEME TRUMP FARTCOIN PENGU MOODENG NEIRO",
    "payments": "XRP XLM LTC BCH DASH",
    "exchange": "BNB OKB BGB CRO GT HYPE",
    "DeFi": "UNI AAVE LINK CRV MKR LDO COMP SNX PENDLE ENA JUP RUNE DYDX ONDO",
    "AI": "FET TAO RENDER WLD AGIX OCEAN VIRTUAL ARKM GRT",
}
DEFAULT_GROUPS: Mapping[str, frozenset[str]] = {
    name: frozenset(coins.split()) for name, coins in _COINS.items()
}
# Bybit lists cheap coins by the thousand: 1000PEPEUSDT, SHIB1000USDT.
THOUSANDS = re.compile(r"^(?:10{3,6})|(?:10{3,6})$")
QUOTES = ("USDT", "USDC", "PERP", "USD")


def base_coin(symbol: str) -> str:
    """BTC of BTCUSDT, PEPE of 1000PEPEUSDT."""
    quote = next((one for one in QUOTES if symbol.endswith(one)), "")
    base = symbol.removesuffix(quote)
    return THOUSANDS.sub("", base) or base


def default_group(symbol: str) -> str:
    """The group a symbol is in unless an operator says otherwise, or ""."""
    coin = base_coin(symbol)
    return next((name for name, coins in DEFAULT_GROUPS.items() if coin in coins), "")


def groups_of(
    symbols: Iterable[str], overrides: Mapping[str, Sequence[str]] | None = None
) -> dict[str, str]:
    """The group of each symbol that is in one.

    ``overrides`` are an operator's groups by name: one with the name of a default group takes its
    place, and a symbol that is listed in any of them is in that one.
    """
    given = overrides or {}
    chosen = {symbol: name for name, members in given.items() for symbol in members}
    found: dict[str, str] = {}
    for symbol in symbols:
        usual = default_group(symbol)
        name = chosen.get(symbol, "" if usual in given else usual)
        if name:
            found[symbol] = name
    return found
