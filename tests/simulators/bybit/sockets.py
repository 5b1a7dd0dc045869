"""The WebSocket side: sessions, subscriptions, pushes, and the faults that befall them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiohttp import WSMsgType, web

from tests.simulators.bybit.auth import socket_key
from tests.simulators.bybit.feed import Frame, PublicFeed
from tests.simulators.bybit.knobs import CONNECTION_FAULTS, HANDSHAKE_FAULTS, Knob
from tests.simulators.bybit.respond import Responder
from tests.simulators.bybit.rules import Refused

ACK_DELAY_S = 0.02
PAIR_WAIT_S = 0.02
IDLE_LIMIT_S = 600.0
CLOSE_WAIT_S = 0.3
BLACKHOLE_S = 120.0
PRIVATE = "ws:private"
PUBLIC = "ws:public"
PRIVATE_TOPICS = {"order", "execution", "position", "wallet", "greeks", "dcp"}
PRIVATE_TOPICS |= {f"{topic}.linear" for topic in ("order", "execution", "position")}


def reset_connection(transport: asyncio.BaseTransport | None) -> None:
    """End a connection with an RST instead of a FIN."""
    if transport is None:
        return
    raw = transport.get_extra_info("socket")
    if raw is not None:
        with contextlib.suppress(OSError):
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if isinstance(transport, asyncio.WriteTransport):
        transport.abort()


class Session:
    """One connection of a client. Its frames leave in order, each not before its time."""

    def __init__(self, hub: Hub, kind: str, request: web.Request) -> None:
        self.hub = hub
        self.kind = kind
        self.id = str(uuid.uuid4())
        self.uid: str | None = None
        self.topics: set[str] = set()
        self.muted = False
        self.heard_at = time.monotonic()
        self._request = request
        self._ws = web.WebSocketResponse(autoping=False, max_msg_size=1 << 20)
        self._queue: asyncio.Queue[tuple[float, str]] = asyncio.Queue()
        self._held: list[str] = []
        self._delay_s = 0.0
        self._orders_held: dict[str, str] = {}

    async def run(self) -> web.StreamResponse:
        """Serve the connection until it ends."""
        await self._ws.prepare(self._request)
        sender = asyncio.ensure_future(self._send_queue())
        try:
            async for message in self._ws:
                self.heard_at = time.monotonic()
                if message.type is WSMsgType.PING and not self.muted:
                    await self._ws.pong(message.data)
                elif message.type is WSMsgType.TEXT:
                    self._hear(message.data)
        except (ConnectionError, RuntimeError):
            pass
        finally:
            sender.cancel()
            await asyncio.gather(sender, return_exceptions=True)
        return self._ws

    def say(self, frame: Frame, *, after_s: float = 0.0) -> None:
        """Queue a frame; the ones behind it wait for it."""
        self._put(json.dumps(frame, separators=(",", ":")), after_s)

    def push(self, frame: Frame, rows: Sequence[Mapping[str, Any]]) -> None:
        """Queue a message of a topic, through the faults in force."""
        knobs, text = self.hub.responder.knobs, json.dumps(frame, separators=(",", ":"))
        fault = knobs.take(self.kind, CONNECTION_FAULTS, rows)
        if fault is not None:
            self.suffer(fault)
        if knobs.take(self.kind, ["gap"], rows) is not None:
            return
        slow = knobs.take(self.kind, ["delay"], rows)
        if slow is not None:
            self._delay_s = time.monotonic() + int(slow.args.get("ms", 500)) / 1000
        late = knobs.take(self.kind, ["late"], rows)
        if late is not None:
            self._later(int(late.args.get("ms", 500)) / 1000, text)
            return
        if self._swap_pair(frame, rows, text):
            return
        if knobs.take(self.kind, ["reorder"], rows) is not None:
            self._held.append(text)
            self._later(1.0, text, if_held=True)
            return
        self._put(text)
        if knobs.take(self.kind, ["duplicate"], rows) is not None:
            self._put(text)
        while self._held:
            self._put(self._held.pop(0))

    def suffer(self, fault: Knob) -> None:
        """Undergo a fault of the whole connection."""
        if fault.fault == "silent":
            self.muted = True
        elif fault.fault == "close":
            code = int(fault.args.get("code", 1000))
            self.hub.spawn(self._ws.close(code=code, message=b"bye"))
        elif fault.fault == "reset":
            reset_connection(self._request.transport)
        elif fault.fault == "garbage":
            self._put("<html>bad gateway</html>")
        elif fault.fault == "unreadable":
            self._put(json.dumps(self._unreadable()))
        else:
            self._put(json.dumps({"topic": "weather.tomorrow", "data": [{"rain": "maybe"}]}))

    def _unreadable(self) -> Frame:
        """A message of a topic that is watched, whose values are none."""
        topic = min(self.topics, default="execution")
        row = {
            "symbol": "BTCUSDT",
            "category": "linear",
            "execId": 17,
            "lastPrice": "much",
            "start": "soon",
        }
        return {"topic": topic, "type": "snapshot", "ts": "soon", "data": [row]}

    async def close(self) -> None:
        """End the connection with the venue going away."""
        await self._ws.close(code=1001, message=b"server stops")

    def _swap_pair(self, frame: Frame, rows: Sequence[Mapping[str, Any]], text: str) -> bool:
        """Hold an order message until the execution of the same match is out."""
        match_id = str(frame.get("id", ""))
        topic = str(frame.get("topic", ""))
        if topic.startswith("order") and self.hub.responder.knobs.take(
            self.kind, ["execution_first"], rows
        ):
            self._orders_held[match_id] = text
            loop = asyncio.get_running_loop()
            loop.call_later(PAIR_WAIT_S, self._release, match_id)
            return True
        if topic.startswith("execution") and match_id in self._orders_held:
            self._put(text)
            self._release(match_id)
            return True
        return False

    def _release(self, match_id: str) -> None:
        if match_id in self._orders_held:
            self._put(self._orders_held.pop(match_id))

    def _later(self, seconds: float, text: str, *, if_held: bool = False) -> None:
        def put() -> None:
            if not if_held:
                self._put(text)
            elif text in self._held:
                self._held.remove(text)
                self._put(text)

        asyncio.get_running_loop().call_later(seconds, put)

    def _put(self, text: str, after_s: float = 0.0) -> None:
        if not self.muted:
            self._queue.put_nowait((max(time.monotonic() + after_s, self._delay_s), text))

    async def _send_queue(self) -> None:
        while True:
            due, text = await self._queue.get()
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            if self.muted or self._ws.closed:
                continue
            try:
                await self._ws.send_str(text)
            except (ConnectionError, RuntimeError):
                return

    def _hear(self, text: str) -> None:
        try:
            asked = json.loads(text)
        except ValueError:
            self._answer({}, False, "Request not supported", op="")
            return
        handler = {
            "ping": self._ping,
            "auth": self._auth,
            "subscribe": self._subscribe,
            "unsubscribe": self._unsubscribe,
        }.get(str(asked.get("op", "")))
        if handler is None:
            self._answer(asked, False, "Request not supported")
        else:
            handler(asked)

    def _ping(self, asked: Frame) -> None:
        if self.kind == PUBLIC:
            self.say(
                {
                    "success": True,
                    "ret_msg": "pong",
                    "conn_id": self.id,
                    "req_id": asked.get("req_id", ""),
                    "op": "ping",
                }
            )
            return
        pong = {"op": "pong", "args": [str(self.hub.clock())], "conn_id": self.id}
        self.say({"req_id": asked["req_id"], **pong} if "req_id" in asked else pong)

    def _auth(self, asked: Frame) -> None:
        responder = self.hub.responder
        if responder.knobs.take(self.kind, ["auth_fail"]) is not None:
            self._answer(asked, False, "Authentication failed")
            return
        try:
            found = socket_key(
                responder.keyring,
                list(asked.get("args", [])),
                self.hub.clock(),
                strict_time=responder.strict_time,
            )
        except Refused as refusal:
            self._answer(asked, False, refusal.ret_msg)
            return
        self.uid = found.uid
        self._answer(asked, True, "")

    def _subscribe(self, asked: Frame) -> None:
        topics = [str(topic) for topic in asked.get("args", [])]
        if self.kind == PRIVATE and self.uid is None:
            self._answer(asked, False, "Request not authorized", after_s=ACK_DELAY_S)
            return
        unknown = [topic for topic in topics if not self._exists(topic)]
        if unknown:
            reason = f"error:handler not found,topic:{unknown[0]}"
            self._answer(asked, False, reason, after_s=ACK_DELAY_S)
            return
        self._answer(asked, True, "", after_s=ACK_DELAY_S)
        self._later_subscribed(topics)

    def _later_subscribed(self, topics: Sequence[str]) -> None:
        """A topic flows once its subscription is acknowledged, its snapshot first."""

        def flow() -> None:
            for topic in topics:
                snapshot = self.hub.feed.snapshot(topic) if self.kind == PUBLIC else None
                if snapshot is not None:
                    self.say(snapshot)
                self.topics.add(topic)

        asyncio.get_running_loop().call_later(ACK_DELAY_S, flow)

    def _unsubscribe(self, asked: Frame) -> None:
        self.topics -= {str(topic) for topic in asked.get("args", [])}
        self._answer(asked, True, "", after_s=ACK_DELAY_S)

    def _exists(self, topic: str) -> bool:
        return self.hub.feed.exists(topic) if self.kind == PUBLIC else topic in PRIVATE_TOPICS

    def _answer(
        self,
        asked: Frame,
        success: bool,
        ret_msg: str,
        *,
        op: str | None = None,
        after_s: float = 0.0,
    ) -> None:
        frame = {
            "success": success,
            "ret_msg": ret_msg,
            "op": asked.get("op", "") if op is None else op,
            "conn_id": self.id,
        }
        if "req_id" in asked:
            frame["req_id"] = asked["req_id"]
        self.say(frame, after_s=after_s)


class Hub:
    """Every open connection, and what is pushed to whom. Lives in the server's loop."""

    def __init__(self, responder: Responder, feed: PublicFeed, clock: Callable[[], int]) -> None:
        self.responder = responder
        self.feed = feed
        self.clock = clock
        self.sessions: set[Session] = set()
        self.opened = 0
        self._tasks: set[asyncio.Future[Any]] = set()

    async def connect(self, request: web.Request, kind: str) -> web.StreamResponse:
        """A client asks for a connection."""
        refusal = self.responder.knobs.take(kind, HANDSHAKE_FAULTS)
        if refusal is not None and refusal.fault == "refuse":
            return web.Response(status=int(refusal.args.get("status", 502)), text="bad gateway")
        if refusal is not None:
            await hold_silent(request)
            return web.Response(status=504)
        session = Session(self, kind, request)
        self.sessions.add(session)
        self.opened += 1
        try:
            return await session.run()
        finally:
            self.sessions.discard(session)

    def push_private(self, uid: str, topic: str, rows: list[Frame], message_id: str) -> None:
        """Tell an account's connections what happened to it."""
        frame = {"id": message_id, "topic": topic, "creationTime": self.clock(), "data": rows}
        for session in list(self.sessions):
            if session.kind != PRIVATE or session.uid != uid:
                continue
            if topic in session.topics:
                session.push(frame, rows)
            elif f"{topic}.linear" in session.topics:
                session.push({**frame, "topic": f"{topic}.linear"}, rows)

    def push_public(self) -> None:
        """Tell every watched topic what is new."""
        watching = [each for each in self.sessions if each.kind == PUBLIC]
        topics = sorted(set().union(*(each.topics for each in watching)))
        for topic, frame in self.feed.due(topics):
            data = frame["data"]
            rows = data if isinstance(data, list) else [data]
            for session in watching:
                if topic in session.topics:
                    session.push(frame, [{"topic": topic, **row} for row in rows])
        self.feed.forget(topics)

    def tick(self) -> None:
        """Let standing faults strike open connections, end those idle for ten minutes."""
        now = time.monotonic()
        for session in list(self.sessions):
            if not session.topics:
                continue
            fault = self.responder.knobs.take_standing(session.kind, CONNECTION_FAULTS)
            if fault is not None:
                session.suffer(fault)
            if now - session.heard_at > IDLE_LIMIT_S:
                self.spawn(session.close())

    def spawn(self, work: Any) -> None:
        """Run something beside, kept until it is done."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def count(self) -> dict[str, int]:
        """Connections open now, and opened ever."""
        open_now = [session.kind for session in self.sessions]
        return {
            "private": open_now.count(PRIVATE),
            "public": open_now.count(PUBLIC),
            "opened": self.opened,
        }

    async def close(self) -> None:
        """End every connection, those that don't answer too."""
        closing = [asyncio.ensure_future(session.close()) for session in self.sessions]
        if closing:
            await asyncio.wait(closing, timeout=CLOSE_WAIT_S)


async def hold_silent(request: web.Request) -> None:
    """Keep a connection without a word, as long as the client stays."""
    ends = time.monotonic() + BLACKHOLE_S
    while time.monotonic() < ends:
        if request.transport is None or request.transport.is_closing():
            return
        await asyncio.sleep(0.05)
