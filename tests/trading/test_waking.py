"""A trader is woken by what is committed, on both databases, and sleeps on otherwise."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest
from django.db import connection, transaction

from exchange.models import ExchangeAccount
from tests.factories import AccountFactory, ApprovalFactory
from trading.choices import CommandKind
from trading.services import approval_decide, command_request
from trading.waking import Bell, wake

pytestmark = pytest.mark.django_db(transaction=True)

LONG_S = 20.0


@pytest.fixture
def account() -> ExchangeAccount:
    made: ExchangeAccount = AccountFactory.create()
    return made


def listening(account_id: int) -> Bell:
    """A bell that hears from now on: the first wait may end at once."""
    bell = Bell(account_id)
    bell.wait(0)
    return bell


def elsewhere(act: Callable[[], object]) -> None:
    """Do it in another thread, on a connection of its own."""

    def run() -> None:
        try:
            act()
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()


def test_sleeps_for_as_long_as_nothing_happens(account: ExchangeAccount) -> None:
    bell = listening(account.pk)
    began = time.monotonic()
    assert not bell.wait(0.1)
    assert time.monotonic() - began >= 0.1


def test_wakes_from_its_sleep(account: ExchangeAccount) -> None:
    bell = listening(account.pk)
    later = threading.Timer(0.2, elsewhere, args=(lambda: wake(account.pk),))
    later.start()
    assert bell.wait(LONG_S)
    later.join()


def test_rings_that_came_before_the_sleep_count(account: ExchangeAccount) -> None:
    bell = listening(account.pk)
    elsewhere(lambda: wake(account.pk))
    assert ExchangeAccount.objects.count() == 1
    assert bell.wait(LONG_S)
    assert not bell.wait(0)


def test_bells_of_other_accounts_do_not_wake(account: ExchangeAccount) -> None:
    bell = listening(account.pk)
    elsewhere(lambda: wake(account.pk + 1))
    assert not bell.wait(0.1)


def test_what_is_rolled_back_does_not_wake(account: ExchangeAccount) -> None:
    bell = listening(account.pk)

    def take_back() -> None:
        with transaction.atomic():
            wake(account.pk)
            transaction.set_rollback(True)

    elsewhere(take_back)
    assert not bell.wait(0.1)


def test_hears_again_on_a_new_connection(account: ExchangeAccount) -> None:
    bell = listening(account.pk)
    connection.close()
    bell.wait(0)
    elsewhere(lambda: wake(account.pk))
    assert bell.wait(LONG_S)


def test_commands_wake(account: ExchangeAccount) -> None:
    bell = listening(account.pk)
    elsewhere(
        lambda: command_request(
            account=account, kind=CommandKind.RESYNC, idempotency_key="one", actor=None
        )
    )
    assert bell.wait(LONG_S)


@pytest.mark.parametrize("approve", [True, False])
def test_approvals_wake_and_refusals_do_not(approve: bool) -> None:
    approval = ApprovalFactory.create()
    bell = listening(approval.signal.account_id)
    elsewhere(
        lambda: approval_decide(approval=approval, approve=approve, actor=None, channel="console")
    )
    assert bell.wait(LONG_S if approve else 0.1) is approve
