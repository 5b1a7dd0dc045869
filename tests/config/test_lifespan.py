"""A web process starts only on a database of its version."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import ApplicationCommunicator
from django.db import connection, connections
from django.db.migrations.recorder import MigrationRecorder

from config.asgi import application

pytestmark = pytest.mark.django_db(transaction=True)


def first_answer() -> dict[str, Any]:
    """What the application says to the start of the server; a start that worked is ended."""

    async def main() -> dict[str, Any]:
        server = ApplicationCommunicator(application, {"type": "lifespan"})
        await server.send_input({"type": "lifespan.startup"})
        answer: dict[str, Any] = await server.receive_output(10)
        if answer["type"] == "lifespan.startup.complete":
            await server.send_input({"type": "lifespan.shutdown"})
            assert await server.receive_output(10) == {"type": "lifespan.shutdown.complete"}
        await server.wait()
        # The communicator keeps Channels from closing its thread's connection.
        await database_sync_to_async(connections.close_all)()
        return answer

    return asyncio.run(main())


def test_start_and_stop_are_answered() -> None:
    assert first_answer() == {"type": "lifespan.startup.complete"}


def test_unapplied_migration_stops_the_start_with_the_mend() -> None:
    recorder = MigrationRecorder(connection)
    recorder.record_unapplied("sessions", "0001_initial")
    try:
        answer = first_answer()
    finally:
        recorder.record_applied("sessions", "0001_initial")
    assert answer["type"] == "lifespan.startup.failed"
    assert "sessions.0001_initial" in answer["message"]
    assert "manage.py prepare" in answer["message"]
