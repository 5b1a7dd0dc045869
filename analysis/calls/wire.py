"""The only place that speaks HTTP to a model's server, through the openai package.

Importing it loads that package, so it is imported when somebody asks, not at the start.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import httpx2
import openai

from analysis.calls.deadline import Line
from analysis.calls.values import CallFailed, FailureCode

CONNECT_S = 10.0
# Far beyond the longest answer, far below what would hurt.
LONGEST_ANSWER = 2_000_000
# Nothing else leaves: not what the environment asks the package to add, not our platform.
HEADERS_SENT = ("host", "accept", "content-type", "content-length", "user-agent")
# The package wants a key; the real one is put on the wire further below it, where none of its
# exceptions and logs can see it.
NO_KEY = "unused"


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """Whatever status it has. Header names are in lower case."""

    status: int
    headers: dict[str, str]
    text: str


class AnswerTooLong(httpx2.TransportError):
    """The server sends more than any answer can be."""


def post(
    base_url: str, api_key: str, path: str, body: dict[str, Any], line: Line, patience_s: float
) -> HttpAnswer:
    """Send one request, once. Raises ``CallFailed`` when no HTTP answer comes of it.

    ``patience_s`` bounds each wait for bytes; ``line`` bounds the whole.
    """
    timeout = httpx2.Timeout(patience_s, connect=min(CONNECT_S, patience_s))
    http_client = httpx2.Client(
        transport=_Transport(api_key, line),
        timeout=timeout,
        follow_redirects=False,
        trust_env=False,
    )
    failure: CallFailed
    with openai.OpenAI(
        api_key=NO_KEY,
        base_url=base_url,
        max_retries=0,
        timeout=timeout,
        http_client=http_client,
    ) as client:
        try:
            response = client.post(path, body=body, cast_to=httpx2.Response)
            return _answer_of(response)
        except openai.APIStatusError as error:
            return _answer_of(error.response)
        except openai.APIConnectionError as error:
            failure = _failure_of(error)
    # Raised out here, so that nothing of the exchange hangs on the exception.
    raise failure


def _answer_of(response: httpx2.Response) -> HttpAnswer:
    headers = {name.lower(): value for name, value in response.headers.items()}
    return HttpAnswer(response.status_code, headers, response.text)


def _failure_of(error: openai.APIConnectionError) -> CallFailed:
    cause = error.__cause__
    if isinstance(cause, httpx2.ConnectError | httpx2.ConnectTimeout):
        message = f"The server can't be reached: {cause or type(cause).__name__}"
        return CallFailed(FailureCode.CONNECTION, message, charged=False)
    if isinstance(cause, AnswerTooLong):
        return CallFailed(FailureCode.SERVER, str(cause), charged=None)
    if isinstance(error, openai.APITimeoutError):
        message = "The server fell silent before the answer was whole."
        return CallFailed(FailureCode.TIMEOUT, message, charged=None)
    message = f"The connection broke before the answer was whole: {type(cause).__name__}"
    return CallFailed(FailureCode.CONNECTION, message, charged=None)


class _Transport(httpx2.BaseTransport):
    """A fresh connection for the call: one kept from before may die with the question on it, and
    the question must not be sent twice."""

    def __init__(self, api_key: str, line: Line) -> None:
        self._api_key = api_key
        self._line = line
        self._inner = httpx2.HTTPTransport(verify=_tls(), trust_env=False, retries=0)

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {name: request.headers[name] for name in HEADERS_SENT if name in request.headers}
        # A packed body could unfold to any length.
        headers |= {"accept-encoding": "identity", "connection": "close"}
        if self._api_key:
            headers["authorization"] = f"Bearer {self._api_key}"
        response = self._inner.handle_request(
            httpx2.Request(
                request.method,
                request.url,
                headers=headers,
                stream=request.stream,
                extensions={**request.extensions, "trace": self._line.watch},
            )
        )
        if response.headers.get("content-encoding", "identity") != "identity":
            response.close()
            raise AnswerTooLong("The server packs its answers although it was asked not to.")
        assert isinstance(response.stream, httpx2.SyncByteStream)
        response.stream = _BoundedStream(response.stream)
        return response

    def close(self) -> None:
        self._inner.close()


class _BoundedStream(httpx2.SyncByteStream):
    def __init__(self, inner: httpx2.SyncByteStream) -> None:
        self._inner = inner

    def __iter__(self) -> Iterator[bytes]:
        length = 0
        for chunk in self._inner:
            length += len(chunk)
            if length > LONGEST_ANSWER:
                raise AnswerTooLong(f"The answer is longer than {LONGEST_ANSWER:,} bytes.")
            yield chunk

    def close(self) -> None:
        self._inner.close()


@cache
def _tls() -> ssl.SSLContext:
    """One for all calls, because reading the certificates takes 20 ms each time."""
    return httpx2.create_ssl_context(trust_env=False)
