"""The Celery application: ``celery -A config.celery worker`` and ``beat``."""

from __future__ import annotations

import os
from typing import Any

import structlog
from celery import Celery
from celery.signals import setup_logging, task_postrun, task_prerun

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("autotrader")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# The current app is known per thread; tasks called from any other thread need the default.
app.set_default()


@setup_logging.connect  # type: ignore[untyped-decorator]
def keep_django_logging(**kwargs: Any) -> None:
    """Leave the logs as settings.LOGGING has them: a receiver here keeps Celery's hands off."""


@task_prerun.connect  # type: ignore[untyped-decorator]
def name_task(task_id: str, task: Any, **kwargs: Any) -> None:
    """Every log line of a task carries its id."""
    structlog.contextvars.bind_contextvars(task_id=task_id, task=task.name)


@task_postrun.connect  # type: ignore[untyped-decorator]
def forget_task(**kwargs: Any) -> None:
    structlog.contextvars.unbind_contextvars("task_id", "task")
