"""The deadline holds whatever the server does, and what comes after it is told once."""

from __future__ import annotations

import queue
import subprocess
import sys
import threading
import time

import pytest

from analysis.calls.gateway import CallFailed, ModelReply
from analysis.calls.values import Outcome
from analysis.choices import ApiStyle
from config.environment import BASE_DIR
from tests.analysis.calls.model_server import Answer, ModelServer, responses_body
from tests.analysis.calls.test_gateway import QUESTION, gateway

DEADLINE_S = 0.4
SLACK_S = 0.5

Late = queue.SimpleQueue[Outcome]


def ask_in_vain(server: ModelServer, late: Late | None = None) -> CallFailed:
    """Ask and see that the deadline is kept."""
    door = gateway(server, ApiStyle.RESPONSES)
    started = time.monotonic()
    with pytest.raises(CallFailed) as caught:
        door.ask(QUESTION, DEADLINE_S, late.put if late else None)
    assert DEADLINE_S <= time.monotonic() - started < DEADLINE_S + SLACK_S
    return caught.value


SLOW = [
    pytest.param(Answer(responses_body(), wait_s=20), id="silent"),
    pytest.param(Answer(responses_body(), byte_s=0.05), id="dripping"),
]


@pytest.mark.parametrize("answer", SLOW)
def test_slow_server_ends_at_the_deadline(server: ModelServer, answer: Answer) -> None:
    server.answer = answer
    failed = ask_in_vain(server)
    assert (failed.code, failed.charged) == ("timeout", None)
    assert len(server.seen) == 1


def test_nobody_to_tell_means_the_connection_is_cut_at_once(server: ModelServer) -> None:
    server.answer = Answer(responses_body(), byte_s=0.05)
    ask_in_vain(server)
    assert server.broken.wait(2)
    assert not any(thread.name.startswith("model call") for thread in lingering(1))


def lingering(seconds: float) -> list[threading.Thread]:
    """The calls that are still under way after this long."""
    deadline = time.monotonic() + seconds
    calls = [t for t in threading.enumerate() if t.name.startswith("model call")]
    for thread in calls:
        thread.join(max(0, deadline - time.monotonic()))
    return [thread for thread in calls if thread.is_alive()]


def test_late_answer_is_told_once(server: ModelServer) -> None:
    server.answer = Answer(responses_body(), wait_s=DEADLINE_S + 0.2)
    late: Late = queue.SimpleQueue()
    ask_in_vain(server, late)
    reply = late.get(timeout=2)
    assert isinstance(reply, ModelReply)
    assert reply.text == '{"direction": "none"}'
    assert reply.usage is not None
    assert lingering(2) == []
    assert late.empty()
    assert len(server.seen) == 1


def test_late_failure_is_told_once(server: ModelServer) -> None:
    server.answer = Answer({"error": {"message": "Oops"}}, 500, wait_s=DEADLINE_S + 0.2)
    late: Late = queue.SimpleQueue()
    ask_in_vain(server, late)
    failed = late.get(timeout=2)
    assert isinstance(failed, CallFailed)
    assert failed.code == "server"
    assert lingering(2) == []
    assert late.empty()


@pytest.mark.parametrize("answer", SLOW)
def test_call_is_heard_out_for_as_long_again_and_then_cut(
    server: ModelServer, answer: Answer
) -> None:
    server.answer = answer
    late: Late = queue.SimpleQueue()
    ask_in_vain(server, late)
    failed = late.get(timeout=DEADLINE_S + SLACK_S)
    assert isinstance(failed, CallFailed)
    assert (failed.code, failed.charged) == ("timeout", None)
    assert lingering(2) == []
    assert late.empty()


def test_answer_in_time_is_not_late(server: ModelServer) -> None:
    server.answer = Answer(responses_body())
    late: Late = queue.SimpleQueue()
    gateway(server, ApiStyle.RESPONSES).ask(QUESTION, 5, late.put)
    assert lingering(2) == []
    assert late.empty()


def test_failure_in_time_is_not_late(server: ModelServer) -> None:
    server.answer = Answer({}, 500)
    late: Late = queue.SimpleQueue()
    with pytest.raises(CallFailed):
        gateway(server, ApiStyle.RESPONSES).ask(QUESTION, 5, late.put)
    assert lingering(2) == []
    assert late.empty()


def test_listener_that_fails_harms_nobody(server: ModelServer) -> None:
    server.answer = Answer(responses_body(), wait_s=DEADLINE_S + 0.1)
    told = threading.Event()

    def late(outcome: Outcome) -> None:
        told.set()
        raise RuntimeError("the row is gone")

    with pytest.raises(CallFailed):
        gateway(server, ApiStyle.RESPONSES).ask(QUESTION, DEADLINE_S, late)
    assert told.wait(2)
    assert lingering(2) == []


def test_deadline_that_has_passed_sends_nothing(server: ModelServer) -> None:
    with pytest.raises(CallFailed) as caught:
        gateway(server, ApiStyle.RESPONSES).ask(QUESTION, 0)
    assert (caught.value.code, caught.value.charged) == ("timeout", False)
    assert server.seen == []


def test_many_ask_at_once(server: ModelServer) -> None:
    server.answer = Answer(responses_body(), wait_s=0.5)
    door = gateway(server, ApiStyle.RESPONSES)
    replies: list[ModelReply] = []
    threads = [
        threading.Thread(target=lambda: replies.append(door.ask(QUESTION, 10))) for _ in range(8)
    ]
    started = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(replies) == 8
    assert time.monotonic() - started < 3


IMPORTED = """
import os, sys, django
os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
django.setup()
import analysis.calls.queue, analysis.calls.health, analysis.calls.gateway
print(*sorted({"openai", "httpx2"} & set(sys.modules)))
"""


def test_openai_is_not_loaded_before_somebody_asks() -> None:
    done = subprocess.run(
        [sys.executable, "-c", IMPORTED],
        cwd=BASE_DIR,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""
