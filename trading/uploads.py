"""Pictures that people bring, read at the cost of an account."""

from __future__ import annotations

from analysis.calls.asking import Asking
from analysis.choices import CallPurpose
from analysis.models import AnalystProfile, ChartUpload
from analysis.upload_reading import upload_answer
from exchange.models import ExchangeAccount
from exchange.ports import Clock
from trading.ai import account_purse, equity_stored


def upload_charge(
    *, upload: ChartUpload, profile: AnalystProfile, account: ExchangeAccount, clock: Clock
) -> ChartUpload:
    """Have the picture read within the profile's time, charged to the account's AI budget."""
    purse = account_purse(account, equity_stored(account))
    asking = Asking(
        profile=profile,
        prompt_version=None,
        purses=(purse,),
        purpose=CallPurpose.UPLOAD,
        charged_to=purse.key,
        clock=clock,
    )
    deadline_at = clock.monotonic() + profile.timeout_s
    return upload_answer(upload=upload, asking=asking, deadline_at=deadline_at)
