"""The Celery application: ``celery -A config.celery worker`` and ``beat``."""

from __future__ import annotations

import os
from typing import Any

from celery import Celery
from celery.signals import setup_logging

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("autotrader")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# The current app is known per thread; tasks called from any other thread need the default.
app.set_default()


@setup_logging.connect  # type: ignore[untyped-decorator]
def keep_django_logging(**kwargs: Any) -> None:
    """Leave the logs as settings.LOGGING has them: a receiver here keeps Celery's hands off."""
