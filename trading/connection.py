"""Accounts on Bybit's prices: examined, connected, mended, given a new key.

Unlike ``trading.services`` these talk to the venue, because a person waits for its answer. They
place no order. Bybit's modules are imported where they are used: most processes never need them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

from django.contrib.auth.models import User
from django.db import transaction

from exchange.choices import BYBIT_MODES, Mode, Region
from exchange.domain import quantise
from exchange.errors import ExchangeError
from exchange.models import ExchangeAccount
from exchange.services import facts_store, key_store
from trading.accounts import (
    CONNECTED_MODES,
    LIVE_PRICE_MODES,
    account_save,
    live_session,
    refusing,
)
from trading.choices import RiskProfile
from trading.domain.settings import PROFILE_EQUITY, PROFILE_LIMITS, Limits
from trading.errors import ActionRefused
from trading.events import record
from trading.models import OperatorAction, RiskLimits, Trade
from trading.selectors import LIVE_TRADES
from trading.services import account_create

if TYPE_CHECKING:
    from exchange.bybit.checkup_symbols import Bounds
    from exchange.bybit.doctor import Examination
    from exchange.bybit.findings import Finding
    from exchange.bybit.rest import BybitRest, Credentials

Actor = User | None
# The clock may be set right later: entries stay off until then.
MAY_WAIT = frozenset({"clock"})
# A paper account needs nothing but prices, and these may come later too.
PAPER_MAY_WAIT = frozenset({"clock", "reachable", "symbols"})


class ModeFix(StrEnum):
    """A setting of the Bybit account that a button sets while it is flat."""

    ISOLATED = "isolated"
    ONE_WAY = "one_way"


FIXED = {
    ModeFix.ISOLATED: "isolated margin set",
    ModeFix.ONE_WAY: "one-way mode set",
}


@dataclass(frozen=True, slots=True)
class Application:
    """An account somebody wants to make on Bybit's prices. PAPER needs no key."""

    name: str
    mode: Mode
    symbols: Sequence[str]
    region: Region = Region.GLOBAL
    profile: RiskProfile = RiskProfile.CONSERVATIVE
    api_key: str = ""
    api_secret: str = field(default="", repr=False)


def application_examine(wish: Application) -> Examination:
    """Ask Bybit about an account before it is made. Raises ``ActionRefused`` where its host or key
    can't be used at all; everything else is a finding."""
    from exchange.bybit.doctor import examine

    _refuse_mode(wish.mode)
    with _asking(), closing(_door_of(wish)) as rest:
        return examine(
            rest,
            wish.mode,
            wish.symbols,
            bounds=_bounds(PROFILE_LIMITS[wish.profile]),
            region=wish.region,
            equity=None if wish.mode in BYBIT_MODES else PROFILE_EQUITY[wish.profile],
            open_other=_elsewhere(wish.mode, wish.region, _credentials_of(wish)),
        )


def account_connect(wish: Application, *, actor: Actor) -> ExchangeAccount:
    """Examine once more and make the account. Raises ``ActionRefused`` with the first problem.

    Limits, trading state, lease and first equity point are made with it, the secret is sealed. What
    the venue did before this moment is not ours to book.
    """
    looked = application_examine(wish)
    if wish.mode is Mode.PAPER:
        return _paper(wish, looked, actor)
    _refuse_problems([one for one in looked.problems if one.check not in MAY_WAIT])
    if looked.wallet is None or looked.key is None:
        raise ActionRefused("Bybit did not tell the wallet; examine again in a minute")
    _refuse_second(wish.api_key, looked.key.user_id, wish.mode)
    account = ExchangeAccount(
        name=wish.name,
        mode=wish.mode,
        region=wish.region,
        start_equity=quantise(looked.wallet),
        connected_at=looked.time,
        key_facts=looked.as_json(),
    )
    with transaction.atomic(), refusing():
        account_save(account, profile=wish.profile, symbols=wish.symbols, start=looked.time)
        live_session(account, symbols=wish.symbols, speed=1, start=looked.time)
        with _asking():
            key_store(account=account, api_key=wish.api_key, api_secret=wish.api_secret)
        _acted(actor, "account connected", account.name)
        record("account_connected", f"{account} is connected to Bybit.", account=account)
    return account


def _paper(wish: Application, looked: Examination, actor: Actor) -> ExchangeAccount:
    """Where Bybit can't be reached the symbols stay unchecked: the account may wait for it."""
    _refuse_problems([one for one in looked.problems if one.check not in PAPER_MAY_WAIT])
    with transaction.atomic():
        account = account_create(
            name=wish.name,
            mode=Mode.PAPER,
            profile=wish.profile,
            symbols=wish.symbols,
            region=wish.region,
        )
        facts_store(account=account, facts=looked.as_json())
        _acted(actor, "account created", account.name)
    return account


def account_examine(account: ExchangeAccount) -> Examination:
    """Examine an account that exists and keep what the venue said. Raises ``ActionRefused``."""
    from exchange.bybit.connect import credentials_of, rest_for
    from exchange.bybit.doctor import examine

    mode = Mode(account.mode)
    _refuse_mode(mode)
    with _asking():
        rest = rest_for(account)
        credentials = credentials_of(account) if mode in BYBIT_MODES else None
    with _asking(), closing(rest):
        looked = examine(
            rest,
            mode,
            account.market_session.symbols,
            bounds=_bounds(_limits_of(account)),
            region=Region(account.region),
            equity=None if mode in BYBIT_MODES else account.start_equity,
            owned=_symbols_held(account),
            open_other=_elsewhere(mode, Region(account.region), credentials),
        )
    facts_store(account=account, facts=looked.as_json())
    return looked


def key_replace(
    *, account: ExchangeAccount, api_key: str, api_secret: str, actor: Actor
) -> ExchangeAccount:
    """Give an account another key of the same Bybit account, examined like the first one."""
    mode = Mode(account.mode)
    if mode not in CONNECTED_MODES:
        raise ActionRefused(f"{account} has no key to replace")
    wish = Application(
        name=account.name,
        mode=mode,
        symbols=(),
        region=Region(account.region),
        api_key=api_key,
        api_secret=api_secret,
    )
    looked = application_examine(wish)
    checks = ("reachable", "key", "permissions", "expiry", "account type")
    _refuse_problems([one for one in looked.problems if one.check in checks])
    before = account.key_facts.get("key", {}).get("user_id", "")
    if looked.key is None or (before and looked.key.user_id != before):
        raise ActionRefused(
            "this key belongs to another Bybit account: connect it as an account of its own"
        )
    with transaction.atomic(), _asking():
        key_store(account=account, api_key=api_key, api_secret=api_secret)
        facts_store(account=account, facts=looked.as_json())
        _acted(actor, "key replaced", account.name)
        record("account_key_replaced", f"{account} has a new key.", account=account)
    return account


def mode_fix(*, account: ExchangeAccount, fix: ModeFix, actor: Actor) -> None:
    """Set a mode of a connected account that is flat. Raises ``ActionRefused``."""
    from exchange.bybit.connect import rest_for

    with _asking(), closing(rest_for(account)) as rest:
        _fix(rest, fix)
    _acted(actor, FIXED[fix], account.name)
    record("account_mode_set", f"{account}: {FIXED[fix]}.", account=account)


def application_fix(wish: Application, fix: ModeFix, *, actor: Actor) -> None:
    """The same for an account that is about to be connected."""
    with _asking(), closing(_door_of(wish)) as rest:
        _fix(rest, fix)
    _acted(actor, FIXED[fix], wish.name or "new account")


def _fix(rest: BybitRest, fix: ModeFix) -> None:
    from exchange.bybit.modes import set_isolated_margin, set_one_way_mode

    {ModeFix.ISOLATED: set_isolated_margin, ModeFix.ONE_WAY: set_one_way_mode}[fix](rest)


def _credentials_of(wish: Application) -> Credentials | None:
    from exchange.bybit.rest import Credentials

    if wish.mode not in BYBIT_MODES:
        return None
    if not (wish.api_key and wish.api_secret):
        raise ActionRefused("enter the key and its secret")
    return Credentials(wish.api_key, wish.api_secret)


def _door_of(wish: Application) -> BybitRest:
    from exchange.bybit.connect import open_door

    return open_door(wish.mode, wish.region, _credentials_of(wish))


def _elsewhere(
    mode: Mode, region: Region, credentials: Credentials | None
) -> Callable[[Mode], BybitRest | None] | None:
    from exchange.bybit.connect import elsewhere

    return None if credentials is None else elsewhere(mode, region, credentials)


@contextmanager
def _asking() -> Iterator[None]:
    """What the venue or the sealed key refuses is refused to the person who asked."""
    try:
        yield
    except ExchangeError as error:
        raise ActionRefused(str(error)) from error


def _refuse_mode(mode: Mode) -> None:
    if mode not in LIVE_PRICE_MODES:
        raise ActionRefused(f"{mode} accounts are not on Bybit; choose PAPER, DEMO or TESTNET")


def _refuse_problems(problems: Sequence[Finding]) -> None:
    if problems:
        first = problems[0]
        raise ActionRefused(f"{first.text} {first.what_to_do}".strip())


def _refuse_second(api_key: str, user_id: str, mode: Mode) -> None:
    """Two accounts on one would each take the other's orders for a stranger's."""
    for other in ExchangeAccount.objects.filter(mode=mode):
        same_user = user_id and other.key_facts.get("key", {}).get("user_id") == user_id
        if same_user or other.api_key == api_key:
            raise ActionRefused(
                f"this Bybit account is connected already, as {other.name}; replace the key there"
            )


def _bounds(limits: Limits | RiskLimits) -> Bounds:
    from exchange.bybit.checkup_symbols import Bounds

    return Bounds(
        risk_per_trade=limits.risk_per_trade,
        max_position_notional=limits.max_position_notional,
        max_leverage=limits.max_leverage,
    )


def _limits_of(account: ExchangeAccount) -> RiskLimits:
    return RiskLimits.objects.filter(account=account).latest("version")


def _symbols_held(account: ExchangeAccount) -> frozenset[str]:
    rows = Trade.objects.filter(account=account, state__in=LIVE_TRADES)
    return frozenset(rows.values_list("symbol", flat=True))


def _acted(actor: Actor, action: str, target: str) -> None:
    OperatorAction.objects.create(actor=actor, action=action, target=target)
