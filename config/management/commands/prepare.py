"""``manage.py prepare``: bring database and schedule to this version. Run before every start."""

from __future__ import annotations

from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from config.schedule import schedule_ensure


class Command(BaseCommand):
    help = "Migrate the database and write the schedule of beat."

    def handle(self, *args: Any, **options: Any) -> None:
        call_command("migrate", interactive=False, verbosity=options["verbosity"])
        schedule_ensure()
