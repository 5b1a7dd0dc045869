"""The hash that binds an approval to exactly one order."""

from __future__ import annotations

import hashlib
import json

from trading.models import Signal


def payload_hash(signal: Signal) -> str:
    """SHA-256 over everything the entry will send and the limits it was judged by."""
    parts = [
        signal.account_id,
        signal.pk,
        signal.symbol,
        signal.direction,
        *(
            None if value is None else f"{value:.8f}"
            for value in (
                signal.qty,
                signal.entry_price,
                signal.stop_loss,
                signal.take_profit,
                signal.limit_price,
                signal.trigger_price,
                signal.leverage,
            )
        ),
        signal.order_type,
        signal.time_in_force,
        signal.limits_version,
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
