"""Calibrated confidence in the decision: is the chance of winning above break-even?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trading.domain.verdict import Factor, Verdict

if TYPE_CHECKING:
    from trading.domain.settings import BotSettings
    from trading.domain.signal import Proposal


def edge_rules(proposal: Proposal, settings: BotSettings) -> tuple[Verdict, ...]:
    """The calibrated chance less one standard error against the chance that breaks even."""
    return ()


def edge_factors(proposal: Proposal, settings: BotSettings) -> tuple[Factor, ...]:
    """The weight that calibrated confidence gives the size; none while it is uncalibrated."""
    return ()
