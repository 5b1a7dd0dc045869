"""Fifty people approve one signal at the same moment, by every way there is: one order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial

from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.urls import reverse

from exchange.models import PaperOrder
from tests.factories import ApprovalFactory
from tests.trading.execution.floor import Floor
from trading import services
from trading.choices import ApprovalDecision, SignalState
from trading.errors import ActionRefused
from trading.models import Approval, OperatorAction, Order, Signal

PEOPLE = 50
PATIENCE_S = 45


def waiting_signal(floor: Floor) -> tuple[Signal, Approval]:
    signal = floor.signal(state=SignalState.WAITING)
    now = floor.clock.now()
    approval: Approval = ApprovalFactory.create(
        signal=signal, payload_hash=signal.payload_hash, requested_at=now
    )
    return signal, approval


def by_service(approval: Approval, channel: str) -> bool:
    try:
        services.approval_decide(approval=approval, approve=True, actor=None, channel=channel)
    except ActionRefused:
        return False
    return True


def by_console(client: Client, approval: Approval) -> bool:
    answer = client.post(
        reverse("approval", args=[approval.pk]),
        {"answer": "approve", "payload_hash": approval.payload_hash},
        headers={"HX-Request": "true"},
    )
    return answer.status_code == 202


def ways(approval: Approval, user: User) -> list[Callable[[], bool]]:
    """One way for each of fifty people: console page, rule, API and Telegram call the service."""
    found: list[Callable[[], bool]] = []
    for number in range(PEOPLE):
        mine = Approval.objects.get(pk=approval.pk)
        if number % 2:
            client = Client()
            client.force_login(user)
            found.append(partial(by_console, client, mine))
        else:
            channel = ("api", "telegram", "rule")[number // 2 % 3]
            found.append(partial(by_service, mine, channel))
    return found


def at_once(calls: list[Callable[[], bool]], meanwhile: Callable[[], object]) -> list[bool]:
    """Make all calls at the same moment; ``meanwhile`` is done again and again until they end."""
    start, answers, broken = threading.Barrier(len(calls)), [], []

    def make(call: Callable[[], bool]) -> None:
        try:
            start.wait(PATIENCE_S)
            answers.append(call())
        except BaseException as exc:
            broken.append(exc)
        finally:
            connection.close()

    threads = [threading.Thread(target=make, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        meanwhile()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert broken == []
    return answers


def test_fifty_approvals_by_all_ways_make_one_order(paper_floor: Floor, operator: User) -> None:
    signal, approval = waiting_signal(paper_floor)
    answers = at_once(ways(approval, operator), paper_floor.trader.step)
    paper_floor.rounds(3)

    assert sorted(answers) == [False] * (PEOPLE - 1) + [True]
    approval.refresh_from_db()
    signal.refresh_from_db()
    assert approval.decision == ApprovalDecision.APPROVED
    assert signal.state == SignalState.EXECUTING
    assert OperatorAction.objects.filter(target=f"signal {signal.pk}").count() == 1
    assert Order.objects.filter(role="e").count() == 1
    assert PaperOrder.objects.filter(account=paper_floor.account).count() == 1
