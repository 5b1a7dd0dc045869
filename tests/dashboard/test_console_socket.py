"""The socket as a browser meets it: who gets in, what it is told, when it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from channels.db import database_sync_to_async
from channels.testing import WebsocketCommunicator
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from config.asgi import application
from dashboard import consumers
from dashboard.feed import CLOSE_TOO_SLOW, MAX_EVENTS, body_of
from dashboard.hub import hub

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.broker]

HOST = b"127.0.0.1:8000"
Scenario = Callable[[WebsocketCommunicator], Awaitable[None]]


def socket_of(client: Client, origin: bytes = b"http://" + HOST) -> WebsocketCommunicator:
    cookie = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    headers = [(b"host", HOST), (b"origin", origin), (b"cookie", cookie.encode())]
    return WebsocketCommunicator(application, "/ws/console/", headers)


def play(client: Client, scenario: Scenario) -> None:
    """Open a socket with the client's cookies while the hub runs, and close it afterwards."""

    async def main() -> None:
        await hub.start()
        socket = socket_of(client)
        try:
            connected, _ = await socket.connect(5)
            assert connected
            await scenario(socket)
        finally:
            await socket.disconnect()
            await hub.stop()
            # The communicator keeps Channels from closing its thread's connection.
            await database_sync_to_async(connections.close_all)()

    asyncio.run(main())


async def close_code(socket: WebsocketCommunicator) -> int:
    """The code of the close that ends the socket, whatever is sent before it."""
    async with asyncio.timeout(5):
        while True:
            message: dict[str, Any] = await socket.receive_output(5)
            if message["type"] == "websocket.close":
                return int(message["code"])


def test_signed_in_operator_is_told_the_state(operator_client: Client) -> None:
    async def scenario(socket: WebsocketCommunicator) -> None:
        first = await socket.receive_json_from(5)
        assert first["seq"] == 1
        assert {"t", "v", "ver"} <= set(first)

    play(operator_client, scenario)


def test_anonymous_socket_is_closed_and_told_to_sign_in() -> None:
    async def scenario(socket: WebsocketCommunicator) -> None:
        assert await close_code(socket) == 4001

    play(Client(), scenario)


def test_socket_from_another_site_is_refused(operator_client: Client) -> None:
    async def main() -> None:
        socket = socket_of(operator_client, origin=b"http://127.0.0.1:9999")
        connected, _ = await socket.connect(5)
        assert not connected
        await socket.wait()

    asyncio.run(main())


def test_sign_out_closes_the_socket_at_the_next_check(
    operator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "VALIDATE_INTERVAL_S", 0.05)

    async def scenario(socket: WebsocketCommunicator) -> None:
        await asyncio.sleep(0.2)
        await database_sync_to_async(operator_client.session.flush)()
        assert await close_code(socket) == 4001

    play(operator_client, scenario)


def test_deactivated_user_is_shut_out_at_the_next_check(
    operator: User, operator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "VALIDATE_INTERVAL_S", 0.05)

    async def scenario(socket: WebsocketCommunicator) -> None:
        operator.is_active = False
        await database_sync_to_async(operator.save)()
        assert await close_code(socket) == 4003

    play(operator_client, scenario)


def test_changed_password_closes_the_other_sockets(
    operator: User, operator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "VALIDATE_INTERVAL_S", 0.05)

    async def scenario(socket: WebsocketCommunicator) -> None:
        operator.set_password("another long password")
        await database_sync_to_async(operator.save)()
        assert await close_code(socket) == 4001

    play(operator_client, scenario)


def test_valid_session_stays_open_over_many_checks(
    operator_client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "VALIDATE_INTERVAL_S", 0.02)

    async def scenario(socket: WebsocketCommunicator) -> None:
        await socket.receive_json_from(5)
        await asyncio.sleep(0.3)
        assert await socket.receive_nothing(0.1)

    play(operator_client, scenario)


def test_too_many_waiting_events_close_the_socket(operator_client: Client) -> None:
    async def scenario(socket: WebsocketCommunicator) -> None:
        await socket.receive_json_from(5)
        (feed,) = hub._feeds
        for number in range(MAX_EVENTS + 1):
            feed.put_event(body_of({"event": {"id": number}}))
        assert await close_code(socket) == CLOSE_TOO_SLOW
        assert not hub._feeds

    play(operator_client, scenario)


@pytest.mark.parametrize("text", ["", "hello", "[]", '{"command": "close"}', '"hidden"'])
def test_what_is_not_about_visibility_closes_the_socket(operator_client: Client, text: str) -> None:
    async def scenario(socket: WebsocketCommunicator) -> None:
        await socket.send_input({"type": "websocket.receive", "text": text})
        assert await close_code(socket) == 1003

    play(operator_client, scenario)


def test_tab_can_say_that_it_is_hidden(operator_client: Client) -> None:
    async def scenario(socket: WebsocketCommunicator) -> None:
        await socket.receive_json_from(5)
        await socket.send_json_to({"hidden": True})
        await asyncio.sleep(0.05)
        (feed,) = hub._feeds
        feed.put_values({"told while hidden": "2"})
        feed.put_event(body_of({"event": {"id": 1}}))
        while "event" not in (message := await socket.receive_json_from(5)):
            assert "v" not in message

    play(operator_client, scenario)
