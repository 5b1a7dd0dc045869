"""A server on this machine that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PNG = b"\x89PNG\r\n\x1a\n and the rest of a picture"


@dataclass
class Answer:
    """What the server does next: waits, then sends, all at once or a byte at a time."""

    body: Any = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait_s: float = 0.0
    byte_s: float = 0.0
    hang_up: bool = False


@dataclass(frozen=True)
class Seen:
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class ModelServer:
    def __init__(self, url: str, stopped: threading.Event) -> None:
        self.url = url
        self.stopped = stopped
        self.answer = Answer()
        self.seen: list[Seen] = []
        self.broken = threading.Event()


def _handler(server: ModelServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.seen.append(Seen(self.path, headers, json.loads(body)))
            server.stopped.wait(server.answer.wait_s)
            if server.answer.hang_up:
                self.close_connection = True
                return
            try:
                self._send(server.answer)
            except OSError:
                server.broken.set()

        def _send(self, answer: Answer) -> None:
            body = answer.body
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            self.send_response(answer.status)
            for name, value in {"Content-Length": str(len(data)), **answer.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if not answer.byte_s:
                self.wfile.write(data)
                return
            for byte in data:
                if server.stopped.wait(answer.byte_s):
                    return
                self.wfile.write(bytes([byte]))

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    return Handler


@contextmanager
def model_server() -> Iterator[ModelServer]:
    stopped = threading.Event()
    server = ModelServer("", stopped)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(server))
    server.url = f"http://127.0.0.1:{http.server_address[1]}/v1"
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield server
    finally:
        stopped.set()
        http.shutdown()
        thread.join()
        http.server_close()


def responses_body(text: str = '{"direction": "none"}', **changes: Any) -> dict[str, Any]:
    return {
        "id": "resp_1",
        "object": "response",
        "status": "completed",
        "model": "sim-reader-2026",
        "error": None,
        "incomplete_details": None,
        "output": [
            {"type": "reasoning", "summary": []},
            {"type": "message", "role": "assistant", "content": [output_text(text)]},
        ],
        "usage": {
            "input_tokens": 1500,
            "input_tokens_details": {"cached_tokens": 1000},
            "output_tokens": 700,
            "output_tokens_details": {"reasoning_tokens": 300},
            "total_tokens": 2200,
        },
        **changes,
    }


def output_text(text: str) -> dict[str, Any]:
    return {"type": "output_text", "text": text, "annotations": []}


def refusal_of(text: str) -> list[dict[str, Any]]:
    return [{"type": "message", "content": [{"type": "refusal", "refusal": text}]}]


def chat_body(
    content: Any = '{"direction": "none"}',
    finish_reason: str = "stop",
    refusal: str | None = None,
    **changes: Any,
) -> dict[str, Any]:
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "model": "sim-reader-2026",
        "choices": [
            {
                "index": 0,
                "finish_reason": finish_reason,
                "message": {"role": "assistant", "content": content, "refusal": refusal},
            }
        ],
        "usage": {
            "prompt_tokens": 1500,
            "prompt_tokens_details": {"cached_tokens": 1000},
            "completion_tokens": 700,
            "completion_tokens_details": {"reasoning_tokens": 300},
            "total_tokens": 2200,
        },
        **changes,
    }
