"""The tables of trading, grouped by noun."""

from trading.models.accounting import WalletCheck
from trading.models.bot import Bot, RiskLimits, TradingState
from trading.models.control import Command, Event, Lease, OperatorAction
from trading.models.cycle import Approval, Cycle, CycleStep, Signal
from trading.models.guards import Blackout, PeakBase, SymbolGroup
from trading.models.kill import KillRun, KillStep
from trading.models.order import Execution, Order
from trading.models.outcome import Counterfactual, MonitorCandle
from trading.models.trade import Cashflow, EquityPoint, StopMove, Trade

__all__ = [
    "Approval",
    "Blackout",
    "Bot",
    "Cashflow",
    "Command",
    "Counterfactual",
    "Cycle",
    "CycleStep",
    "EquityPoint",
    "Event",
    "Execution",
    "KillRun",
    "KillStep",
    "Lease",
    "MonitorCandle",
    "OperatorAction",
    "Order",
    "PeakBase",
    "RiskLimits",
    "Signal",
    "StopMove",
    "SymbolGroup",
    "Trade",
    "TradingState",
    "WalletCheck",
]
