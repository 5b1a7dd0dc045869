"""Rows for tests: one factory per table, each row valid and consistent with its parents.

``BotFactory.create(...)`` makes a row; it is typed, while calling the class is not.
"""

from tests.factories.analysis import (
    AnalysisFactory,
    AnalystHealthFactory,
    AnalystProfileFactory,
    CanaryRunFactory,
    ChartImageFactory,
    ChartUploadFactory,
    EyeTestFactory,
    ModelCallFactory,
    ModelProfileFactory,
    PromptFactory,
    PromptVersionFactory,
    SpendFactory,
)
from tests.factories.bots import BotFactory, RiskLimitsFactory, TradingStateFactory, UserFactory
from tests.factories.control import (
    CommandFactory,
    EventFactory,
    LeaseFactory,
    OperatorActionFactory,
)
from tests.factories.cycles import ApprovalFactory, CycleFactory, CycleStepFactory, SignalFactory
from tests.factories.exchange import (
    MINUTE,
    NOON,
    AccountFactory,
    CandleSeriesFactory,
    MarketSessionFactory,
    PaperAccountFactory,
    PaperExecutionFactory,
    PaperLedgerEntryFactory,
    PaperOrderFactory,
    PaperPositionFactory,
    VenueLinkFactory,
    digest,
)
from tests.factories.trades import (
    CashflowFactory,
    EquityPointFactory,
    ExecutionFactory,
    OrderFactory,
    StopMoveFactory,
    TradeFactory,
)

__all__ = [
    "MINUTE",
    "NOON",
    "AccountFactory",
    "AnalysisFactory",
    "AnalystHealthFactory",
    "AnalystProfileFactory",
    "ApprovalFactory",
    "BotFactory",
    "CanaryRunFactory",
    "CandleSeriesFactory",
    "CashflowFactory",
    "ChartImageFactory",
    "ChartUploadFactory",
    "CommandFactory",
    "CycleFactory",
    "CycleStepFactory",
    "EquityPointFactory",
    "EventFactory",
    "ExecutionFactory",
    "EyeTestFactory",
    "LeaseFactory",
    "MarketSessionFactory",
    "ModelCallFactory",
    "ModelProfileFactory",
    "OperatorActionFactory",
    "OrderFactory",
    "PaperAccountFactory",
    "PaperExecutionFactory",
    "PaperLedgerEntryFactory",
    "PaperOrderFactory",
    "PaperPositionFactory",
    "PromptFactory",
    "PromptVersionFactory",
    "RiskLimitsFactory",
    "SignalFactory",
    "SpendFactory",
    "StopMoveFactory",
    "TradeFactory",
    "TradingStateFactory",
    "UserFactory",
    "VenueLinkFactory",
    "digest",
]
