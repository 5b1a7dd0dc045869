"""The tables of trading, grouped by noun."""

from trading.models.bot import Bot, RiskLimits, TradingState
from trading.models.control import Command, Event, Lease, OperatorAction
from trading.models.cycle import Approval, Cycle, CycleStep, Signal
from trading.models.order import Execution, Order
from trading.models.trade import Cashflow, EquityPoint, StopMove, Trade

__all__ = [
    "Approval",
    "Bot",
    "Cashflow",
    "Command",
    "Cycle",
    "CycleStep",
    "EquityPoint",
    "Event",
    "Execution",
    "Lease",
    "OperatorAction",
    "Order",
    "RiskLimits",
    "Signal",
    "StopMove",
    "Trade",
    "TradingState",
]
