"""What a key is allowed to do, from where, and until when."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta

from exchange.bybit.endpoints import Endpoint
from exchange.bybit.findings import Finding, fine, problem, warn
from exchange.bybit.parse import KeyFacts, key_facts
from exchange.bybit.rest import BybitRest
from exchange.choices import Mode
from exchange.errors import ExchangeError, ExchangeHalted

EXPIRY_NEAR = timedelta(days=14)
EXPIRY_URGENT = timedelta(days=3)
# Modes whose hosts a key may be tried on, and what their keys are called. Paper accounts use the
# mainnet's host, where a foreign key is only asked what it is.
ENVIRONMENTS = {
    Mode.DEMO: "Bybit demo trading",
    Mode.TESTNET: "the Bybit testnet",
    Mode.PAPER: "the mainnet (real money)",
}
MAKE_KEYS = {
    Mode.DEMO: "on bybit.com, switched to Demo Trading, under API",
    Mode.TESTNET: "on testnet.bybit.com under API",
}

# None where the environment has the same host, or none.
OpenOther = Callable[[Mode], BybitRest | None]


def key_findings(
    rest: BybitRest, mode: Mode, open_other: OpenOther | None
) -> tuple[KeyFacts | None, list[Finding]]:
    """The key's facts (None where the venue does not know it) and what follows from them."""
    try:
        facts = key_facts(rest.read(Endpoint.KEY_INFO).result)
    except ExchangeHalted as error:
        home = _home_of(mode, open_other) if open_other else None
        return None, [_refused(mode, home, str(error))]
    except ExchangeError as error:
        text = f"Bybit could not be asked about the key: {error}"
        return None, [problem("key", text, "Examine again in a minute.")]
    now = rest.server_time.now()
    return facts, [
        fine("key", f"The key belongs to {ENVIRONMENTS[mode]}."),
        *_permissions(facts),
        _addresses(facts),
        _expiry(facts, now),
    ]


def _home_of(mode: Mode, open_other: OpenOther) -> Mode | None:
    """The environment that knows the key."""
    others = (other for other in ENVIRONMENTS if other is not mode)
    return next((other for other in others if _knows(open_other(other))), None)


def _knows(door: BybitRest | None) -> bool:
    if door is None:
        return False
    try:
        door.read(Endpoint.KEY_INFO, deadline_s=4.0)
    except ExchangeError:
        return False
    finally:
        door.close()
    return True


def _refused(mode: Mode, home: Mode | None, why: str) -> Finding:
    if home is Mode.PAPER:
        return problem(
            "key",
            f"This key belongs to {ENVIRONMENTS[home]}, which is refused here.",
            f"Delete it on Bybit and make one for {ENVIRONMENTS[mode]}, {MAKE_KEYS[mode]}.",
        )
    if home is not None:
        return problem(
            "key",
            f"This key belongs to {ENVIRONMENTS[home]}, not to {ENVIRONMENTS[mode]}.",
            f"Choose {home.label}, or make a key {MAKE_KEYS[mode]}.",
        )
    return problem(
        "key",
        f"The key is refused. {why}",
        f"Correct it, or make a new one {MAKE_KEYS[mode]}.",
    )


def _permissions(facts: KeyFacts) -> Iterator[Finding]:
    check = "permissions"
    if facts.may_withdraw:
        yield problem(
            check,
            "The key may withdraw money: it is refused.",
            "Make a key without the permission Withdraw; trading needs only Contract: Orders and "
            "Positions.",
        )
    if facts.may_transfer:
        yield problem(
            check,
            "The key may transfer money between accounts: it is refused.",
            "Make a key without the permissions under Wallet.",
        )
    if facts.read_only:
        yield problem(check, "The key may only read.", "Make a key of the type Read-Write.")
    elif not facts.may_trade:
        yield problem(
            check,
            "The key may not trade contracts.",
            "Give it the permission Contract: Orders and Positions.",
        )
    elif not (facts.may_withdraw or facts.may_transfer):
        yield fine(check, "The key may trade contracts; it may not withdraw or transfer.")


def _addresses(facts: KeyFacts) -> Finding:
    if facts.addresses:
        return fine("IP binding", f"The key works only from {', '.join(facts.addresses)}.")
    return warn(
        "IP binding",
        "The key works from any address and ends 90 days after it was made.",
        "Bind it to this machine's public address on Bybit: it then stays and is of no use to a "
        "thief.",
    )


def _expiry(facts: KeyFacts, now: datetime) -> Finding:
    check = "expiry"
    if facts.expires_at is None:
        return fine(check, "The key does not expire.")
    left = facts.expires_at - now
    day = f"{facts.expires_at:%Y-%m-%d}"
    mend = "Make a new key on Bybit and replace this one on the account's connection page."
    if left <= timedelta(0):
        return problem(check, f"The key expired on {day}.", mend)
    text = f"The key expires in {_span(left)}, on {day}."
    if left <= EXPIRY_URGENT:
        return warn(check, f"{text} Without it positions keep only the exchange's stops.", mend)
    return warn(check, text, mend) if left <= EXPIRY_NEAR else fine(check, text)


def _span(left: timedelta) -> str:
    hours = left // timedelta(hours=1)
    return f"{hours} hours" if left < timedelta(days=2) else f"{left.days} days"
