"""The project as an app: its management commands, its checks, and its Celery application."""

from __future__ import annotations

from django.apps import AppConfig


class ConfigConfig(AppConfig):
    name = "config"

    def ready(self) -> None:
        # Imported here: both need the settings, and tasks are sent by every process.
        from django.conf import settings

        from config import celery, checks  # noqa: F401
        from exchange import fault_points

        fault_points.arm(settings.ENVIRONMENT.faults_dir)
