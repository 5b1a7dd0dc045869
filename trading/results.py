"""Closed trades from their rows into the columns that statistics are made of."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import numpy as np
from django.core.exceptions import EmptyResultSet
from django.db import connections
from django.db.models import CharField, F, FloatField, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from analysis.models import AnalystProfile, ModelCall, PromptVersion
from exchange.models import ExchangeAccount
from trading.ai import bot_key, call_cost
from trading.choices import CashflowKind, TradeState
from trading.domain.statistics.curve import Curve, curve_of
from trading.domain.statistics.trades import (
    SCALE,
    UNITS,
    Columns,
    Dimension,
    Floats,
    Ints,
    Labels,
    Rows,
    counted_labels,
    factorised,
    micros,
    units,
)
from trading.models import Bot, Cashflow, EquityPoint, Trade

# Below this a float holds every unit of 1e-8 USDT, with room for the rounding on the way.
EXACT_AS_FLOAT = 2e7
MAX_POINTS = 10_000

MONEY = ("net_pnl", "fees", "funding")
PRICES = ("entry_value", "entry_qty", "initial_stop", "best_price", "worst_price")
FIGURES = (*MONEY, *PRICES, "r_multiple", "entry_slippage", "exit_slippage", "signal__confidence")
CHANCE = "chance"
TIMES = ("opened_market", "closed_market")
PLAIN = (
    "unverifiable",
    "side",
    "symbol",
    "exit_reason",
    "bot_id",
    "account_id",
    "signal__cycle__timeframe",
    "signal__analysis_id",
    "signal__analysis__profile_id",
    "signal__analysis__prompt_version_id",
)


@dataclass(frozen=True, slots=True)
class Chosen:
    """Which closed trades; None and empty take all. ``since`` is market time of closing."""

    accounts: Sequence[int]
    bot: int | None = None
    symbol: str = ""
    side: str = ""
    analyst: int | None = None
    since: datetime | None = None

    def rows(self) -> QuerySet[Trade]:
        """The trades, unverifiable ones too, in the order of closing."""
        wanted: dict[str, Any] = {
            "account_id__in": self.accounts,
            "bot_id": self.bot,
            "symbol": self.symbol,
            "side": self.side,
            "signal__analysis__profile_id": self.analyst,
            "closed_market__gte": self.since,
        }
        return Trade.objects.filter(
            state=TradeState.CLOSED,
            net_pnl__isnull=False,
            closed_market__isnull=False,
            **{name: value for name, value in wanted.items() if value not in (None, "")},
        ).order_by("closed_market", "id")


@dataclass(frozen=True, slots=True, eq=False)
class Results:
    """Closed trades as columns, with the value of every dimension. ``left_out`` counts those whose
    result can't be trusted; they are not among the columns. ``ids`` are their keys."""

    columns: Columns
    labels: Mapping[Dimension, Labels]
    left_out: int
    ids: Ints

    def take(self, rows: Rows) -> Results:
        """The chosen rows."""
        labels = {dimension: each.take(rows) for dimension, each in self.labels.items()}
        return Results(self.columns.take(rows), labels, self.left_out, self.ids[rows])


def results_read(chosen: Chosen) -> Results:
    """Read the chosen trades in one query, with figures as floats: exact for money, because a
    float holds more digits than an amount under 20 million USDT has."""
    rows = chosen.rows()
    names = [f"{name}_read" for name in (*TIMES, *FIGURES, CHANCE)]
    floats = {f"{name}_read": Cast(F(name), FloatField()) for name in FIGURES}
    stated = KeyTextTransform("p", "signal__calibration")
    floats[f"{CHANCE}_read"] = Cast(stated, FloatField())
    texts = {f"{name}_read": Cast(F(name), CharField()) for name in TIMES}
    found = _fetch(rows.annotate(**floats, **texts).values_list("pk", *PLAIN, *names))
    every = ("pk", *PLAIN, *TIMES, *FIGURES, CHANCE)
    fields = dict(zip(every, zip(*found, strict=True) if found else [()] * len(every), strict=True))
    figures = {name: np.array(fields[name], dtype=np.float64) for name in (*FIGURES, CHANCE)}
    columns = _columns(rows, fields, figures)
    labels = _labels(fields) | counted_labels(columns)
    out = np.array(fields["unverifiable"], dtype=np.bool_)
    read = Results(columns, labels, int(out.sum()), np.array(fields["pk"], dtype=np.int64))
    return read.take(~out)


def _fetch(rows: QuerySet[Any, Any]) -> list[tuple[Any, ...]]:
    """Rows as the database's driver gives them. What Django would do to each value by the way
    takes seconds with 100,000 trades."""
    try:
        sql, params = rows.query.get_compiler(rows.db).as_sql()
    except EmptyResultSet:
        return []
    with connections[rows.db].cursor() as cursor:
        cursor.execute(sql, params)
        found: list[tuple[Any, ...]] = cursor.fetchall()
    return found


def _times(values: Sequence[str | None]) -> Ints:
    """Microseconds since 1970 from the text of UTC times, with "+00" at the end on PostgreSQL.
    NumPy has the same number for no time as we do."""
    texts = [value.removesuffix("+00") if value else None for value in values]
    return np.array(texts, dtype="datetime64[us]").astype(np.int64)


def _columns(
    rows: QuerySet[Trade], plain: Mapping[str, Sequence[Any]], figures: Mapping[str, Floats]
) -> Columns:
    sign = np.array([1.0 if side == "buy" else -1.0 for side in plain["side"]])
    with np.errstate(divide="ignore", invalid="ignore"):
        entry = figures["entry_value"] / figures["entry_qty"]
        risk = np.abs(entry - figures["initial_stop"])
        best = np.where(risk > 0, sign * (figures["best_price"] - entry) / risk, np.nan)
        worst = np.where(risk > 0, sign * (figures["worst_price"] - entry) / risk, np.nan)
    slips = np.stack((figures["entry_slippage"], figures["exit_slippage"]))
    return Columns(
        net=_units(rows, "net_pnl", figures),
        fees=_units(rows, "fees", figures),
        funding=_units(rows, "funding", figures),
        ai_cost=_ai_costs(plain),
        slippage=np.rint(np.nan_to_num(slips).sum(axis=0) * UNITS).astype(np.int64),
        slippage_known=np.asarray(~np.isnan(slips).any(axis=0), dtype=np.bool_),
        r=figures["r_multiple"],
        best_r=best,
        worst_r=worst,
        confidence=figures["signal__confidence"],
        chance=figures[CHANCE],
        opened=_times(plain["opened_market"]),
        closed=_times(plain["closed_market"]),
    )


def _units(rows: QuerySet[Trade], name: str, figures: Mapping[str, Floats]) -> Ints:
    values = figures[name]
    if len(values) and float(np.abs(values).max()) >= EXACT_AS_FLOAT:
        exact = rows.values_list(name, flat=True)
        return np.array([int((value or 0) * SCALE) for value in exact], dtype=np.int64)
    return np.rint(values * UNITS).astype(np.int64)


def _ai_costs(plain: Mapping[str, Sequence[Any]]) -> Ints:
    """What each trade's own bot paid for the answer behind it."""
    keys = [bot_key(bot) for bot in set(plain["bot_id"])]
    costs: dict[tuple[int | None, str], int] = {}
    calls = ModelCall.objects.filter(charged_to__in=keys, analysis__signals__trade__isnull=False)
    for call in calls.only("analysis_id", "charged_to", "cost", "reserved_cost").distinct():
        key = call.analysis_id, call.charged_to
        costs[key] = costs.get(key, 0) + units(call_cost(call))
    if not costs:
        return np.zeros(len(plain["bot_id"]), dtype=np.int64)
    pairs = zip(plain["signal__analysis_id"], plain["bot_id"], strict=True)
    return np.array([costs.get((ref, bot_key(bot)), 0) for ref, bot in pairs], dtype=np.int64)


def _labels(plain: Mapping[str, Sequence[Any]]) -> dict[Dimension, Labels]:
    bots = {bot.pk: bot.name for bot in Bot.objects.filter(pk__in=set(plain["bot_id"]))}
    analysts = {row.pk: row.name for row in AnalystProfile.objects.all()}
    prompts = {row.pk: str(row) for row in PromptVersion.objects.select_related("prompt")}
    accounts = ExchangeAccount.objects.filter(pk__in=set(plain["account_id"]))
    modes = {row.pk: row.mode for row in accounts}
    return {
        Dimension.BOT: _named(plain["bot_id"], bots),
        Dimension.SYMBOL: factorised(plain["symbol"]),
        Dimension.TIMEFRAME: factorised(plain["signal__cycle__timeframe"]),
        Dimension.PROMPT: _named(plain["signal__analysis__prompt_version_id"], prompts),
        Dimension.ANALYST: _named(plain["signal__analysis__profile_id"], analysts),
        Dimension.DIRECTION: _named(plain["side"], {"buy": "long", "sell": "short"}),
        Dimension.EXIT_REASON: factorised(plain["exit_reason"]),
        Dimension.MODE: _named(plain["account_id"], modes),
    }


def _named(keys: Sequence[Hashable], names: Mapping[Any, str]) -> Labels:
    """Labels by the name of a key; keys of one name are one label, none is the empty one."""
    known = {key: "" if key is None else names[key] for key in dict.fromkeys(keys)}
    return factorised([known[key] for key in keys])


def equity_curve(account: ExchangeAccount, since: datetime | None = None) -> tuple[Curve, int]:
    """The account's stored equity, and how many points one point of the curve stands for: of a
    long series every so many are read."""
    points = EquityPoint.objects.filter(account=account)
    if since is not None:
        points = points.filter(time__gte=since)
    every = points.count() // MAX_POINTS + 1
    if every > 1:
        points = points.annotate(place=F("id") % every).filter(place=0)
    rows = points.order_by("time").annotate(
        at=Cast("time", CharField()),
        held=Cast("equity", FloatField()),
        kept=Cast("unit_value", FloatField()),
    )
    found = _fetch(rows.values_list("at", "held", "kept"))
    times = _times([time for time, _, _ in found])
    equity = np.array([value for _, value, _ in found], dtype=np.float64)
    kept = np.array([unit for _, _, unit in found], dtype=np.float64)
    held = np.rint(equity * UNITS).astype(np.int64)
    return curve_of(times, held, _flows(account, times), kept), every


def _flows(account: ExchangeAccount, times: Ints) -> Ints:
    """What was transferred in each step of ``times``; before the first it is part of the value."""
    flows = np.zeros(len(times), dtype=np.int64)
    if len(times) == 0:
        return flows
    rows = Cashflow.objects.filter(account=account, kind=CashflowKind.TRANSFER)
    for time, amount in rows.values_list("time", "amount"):
        step = int(np.searchsorted(times, micros(time), side="left"))
        if 0 < step < len(times):
            flows[step] += units(Decimal(amount))
    return flows
