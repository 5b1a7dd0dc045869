"""What commands that read or write the database have in common."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection
from django.db.migrations.executor import MigrationExecutor


class DatabaseCommand(BaseCommand):
    """A command that refuses a database which was never set up or is of an older version."""

    def execute(self, *args: Any, **options: Any) -> str | None:
        """Run the command; ``CommandError`` says what to do first if migrations are lacking."""
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            raise CommandError(
                "the database is not set up for this version: run `make run` once or "
                "`.venv/bin/python manage.py prepare`"
            )
        return super().execute(*args, **options)
