"""Accounts, their market's clock, stored candles and the paper venue's ledger."""

from __future__ import annotations

from django.db import models

from exchange.choices import PAPER_LEDGER_MODES, LinkState, Mode, Region
from exchange.fields import AmountField


class ExchangeAccount(models.Model):
    """One account on one venue. Its mode never changes once it has traded."""

    name = models.CharField(max_length=60, unique=True)
    mode = models.CharField(max_length=8, choices=Mode.choices)
    start_equity = AmountField(help_text="Paper start balance in USDT.", default=1000)
    is_active = models.BooleanField(default=True)
    region = models.CharField(
        max_length=20, choices=Region.choices, default=Region.GLOBAL, help_text="Bybit's site."
    )
    api_key = models.CharField(max_length=80, blank=True, help_text="Not secret by itself.")
    api_secret_sealed = models.TextField(blank=True, editable=False, help_text="Encrypted.")
    key_facts = models.JSONField(
        default=dict, blank=True, help_text="What the venue last said about the key and account."
    )
    connected_at = models.DateTimeField(
        null=True, blank=True, help_text="What the venue did before is not ours to book."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("name",)
        constraints = [
            models.CheckConstraint(
                condition=models.Q(start_equity__gte=0), name="account_start_equity_not_negative"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} ({self.mode})"

    @property
    def uses_paper_ledger(self) -> bool:
        return Mode(self.mode) in PAPER_LEDGER_MODES


class VenueLink(models.Model):
    """How one connection to a venue stands, for people and for the next process.

    ``name`` is ``account-<id>``, ``watchdog-<id>`` or ``market-<host>``. ``streams`` maps a
    stream's name to its state in words. Written on change, at most once a second. Wall time.
    """

    name = models.CharField(max_length=80, unique=True)
    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.CASCADE, null=True, related_name="links"
    )
    host = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=8, choices=LinkState.choices, default=LinkState.OK)
    reason = models.CharField(max_length=300, blank=True)
    failures = models.PositiveIntegerField(default=0, help_text="In a row.")
    open_until = models.DateTimeField(null=True, help_text="The circuit stays open until then.")
    clock_offset_ms = models.IntegerField(null=True, help_text="The venue's clock minus ours.")
    streams = models.JSONField(default=dict)
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name}: {self.state}"


class MarketSession(models.Model):
    """The symbols and the clock of an account's market, shared by all processes.

    On live prices (PAPER, DEMO, TESTNET, LIVE) ``speed`` is 1 and time is the venue's own; the rest
    is about simulated and replayed markets.

    Market time runs from ``anchor_market`` at ``anchor_wall`` with ``speed`` and stands still at
    ``reserved_until``, which only the running trader pushes forward: no trader, no time.
    Speed 0 means a driver steps the clock by hand.
    """

    account = models.OneToOneField(
        ExchangeAccount, on_delete=models.CASCADE, related_name="market_session"
    )
    seed = models.BigIntegerField(default=0, help_text="Seed of a simulated market.")
    symbols = models.JSONField(default=list)
    speed = models.PositiveIntegerField(default=1)
    start = models.DateTimeField(help_text="First instant of market time.")
    end = models.DateTimeField(null=True, blank=True, help_text="End of a replay.")
    anchor_market = models.DateTimeField()
    anchor_wall = models.DateTimeField()
    reserved_until = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.account} at {self.reserved_until:%Y-%m-%d %H:%M} x{self.speed}"


class CandleSeries(models.Model):
    """One parquet file of the candle archive: candles of one symbol and interval."""

    symbol = models.CharField(max_length=40)
    interval_s = models.PositiveIntegerField(help_text="Seconds per candle.")
    path = models.CharField(max_length=400, help_text="Relative to the archive folder.")
    sha256 = models.CharField(max_length=64)
    rows = models.PositiveIntegerField()
    first_open = models.DateTimeField()
    last_open = models.DateTimeField()
    source = models.CharField(max_length=200, help_text="Name of the imported file.")
    imported_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("symbol", "interval_s")
        verbose_name_plural = "candle series"
        constraints = [
            models.UniqueConstraint(fields=("symbol", "interval_s"), name="one_series_per_interval")
        ]

    def __str__(self) -> str:
        return f"{self.symbol} {self.interval_s}s, {self.rows} candles"


class PaperAccount(models.Model):
    """Wallet of a paper venue and the market time it has been advanced to."""

    account = models.OneToOneField(
        ExchangeAccount, on_delete=models.CASCADE, related_name="paper_account"
    )
    wallet = AmountField()
    advanced_to = models.DateTimeField()
    sequence = models.BigIntegerField(default=0, help_text="Number of the newest id given out.")
    leverage = models.JSONField(default=dict, help_text="Leverage per symbol, as text.")

    def __str__(self) -> str:
        return f"paper wallet of {self.account}: {self.wallet} USDT"


class PaperOrder(models.Model):
    """An order as the paper venue holds it, attached levels included."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.CASCADE, related_name="paper_orders"
    )
    order_id = models.CharField(max_length=40)
    order_link_id = models.CharField(max_length=36, blank=True)
    symbol = models.CharField(max_length=40)
    side = models.CharField(max_length=4)
    order_type = models.CharField(max_length=6)
    time_in_force = models.CharField(max_length=3)
    qty = AmountField()
    price = AmountField(null=True)
    trigger_price = AmountField(null=True, help_text="Last price at which it is sent.")
    reduce_only = models.BooleanField(default=False)
    close_all = models.BooleanField(default=False)
    stop_loss = AmountField(null=True)
    take_profit = AmountField(null=True)
    status = models.CharField(max_length=16)
    filled_qty = AmountField(default=0)
    filled_value = AmountField(default=0)
    reject_reason = models.CharField(max_length=200, blank=True)
    created_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        ordering = ("account", "id")
        constraints = [
            models.UniqueConstraint(fields=("account", "order_id"), name="paper_order_id_unique"),
            models.UniqueConstraint(
                fields=("account", "order_link_id"),
                condition=~models.Q(order_link_id=""),
                name="paper_order_link_id_unique",
            ),
        ]
        indexes = [models.Index(fields=("account", "status"), name="paper_order_status")]

    def __str__(self) -> str:
        return f"{self.order_id} {self.side} {self.qty} {self.symbol}: {self.status}"


class PaperPosition(models.Model):
    """An open position of the paper venue; the row goes when it is flat."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.CASCADE, related_name="paper_positions"
    )
    symbol = models.CharField(max_length=40)
    side = models.CharField(max_length=4)
    qty = AmountField()
    avg_price = AmountField()
    cost = AmountField(help_text="Entry value of the open quantity, exact where avg_price is not.")
    stop_loss = AmountField(null=True)
    take_profit = AmountField(null=True)
    opened_at = models.DateTimeField()
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=("account", "symbol"), name="one_paper_position"),
            models.CheckConstraint(condition=models.Q(qty__gt=0), name="paper_position_qty"),
        ]

    def __str__(self) -> str:
        return f"{self.side} {self.qty} {self.symbol} at {self.avg_price}"


class PaperExecution(models.Model):
    """A fill on the paper venue. Append only."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.CASCADE, related_name="paper_executions"
    )
    exec_id = models.CharField(max_length=40)
    order_id = models.CharField(max_length=40)
    order_link_id = models.CharField(max_length=36, blank=True)
    symbol = models.CharField(max_length=40)
    side = models.CharField(max_length=4)
    qty = AmountField()
    price = AmountField()
    fee = AmountField()
    is_maker = models.BooleanField()
    kind = models.CharField(max_length=12)
    time = models.DateTimeField()

    class Meta:
        ordering = ("account", "id")
        constraints = [
            models.UniqueConstraint(fields=("account", "exec_id"), name="paper_exec_id_unique")
        ]
        indexes = [models.Index(fields=("account", "time"), name="paper_execution_time")]

    def __str__(self) -> str:
        return f"{self.exec_id} {self.side} {self.qty} {self.symbol} at {self.price}"


class PaperLedgerEntry(models.Model):
    """A change of the paper wallet: realised P&L less fee of an execution, funding, transfer.
    Append only; the sum over an account plus its start equity is the wallet."""

    account = models.ForeignKey(
        ExchangeAccount, on_delete=models.CASCADE, related_name="paper_ledger"
    )
    entry_id = models.CharField(max_length=40)
    kind = models.CharField(max_length=12)
    symbol = models.CharField(max_length=40, blank=True)
    exec_id = models.CharField(max_length=40, blank=True)
    amount = AmountField()
    time = models.DateTimeField()

    class Meta:
        ordering = ("account", "id")
        verbose_name_plural = "paper ledger entries"
        constraints = [
            models.UniqueConstraint(fields=("account", "entry_id"), name="paper_entry_id_unique")
        ]
        indexes = [models.Index(fields=("account", "time"), name="paper_entry_time")]

    def __str__(self) -> str:
        return f"{self.entry_id} {self.kind} {self.amount} USDT"
