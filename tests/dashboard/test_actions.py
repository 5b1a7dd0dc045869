"""What an operator may ask for: one row per wish, refusals in words, nothing by GET."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from exchange.models import ExchangeAccount
from tests import factories
from tests.dashboard.conftest import Desk
from trading.models import Command, Cycle, Event, KillRun, OperatorAction, TradingState

HTMX = {"HX-Request": "true"}
PRESS = {"action": "press", "level": "3", "scope": "everything", "reason": "a drill"}


def close_form(desk: Desk, **changed: str) -> dict[str, str]:
    return {"idempotency_key": "key-1", "expected_version": str(desk.trade.version)} | changed


def test_close_leaves_one_command_however_often_it_is_sent(console: Client, desk: Desk) -> None:
    address = reverse("trade_wish", args=[desk.trade.pk, "close"])
    first = console.post(address, close_form(desk), headers=HTMX)
    second = console.post(address, close_form(desk), headers=HTMX)
    command = Command.objects.get()
    assert (first.status_code, second.status_code) == (202, 202)
    assert (command.kind, command.target) == ("close", desk.trade.pk)
    assert command.expected_version == desk.trade.version
    assert str(command.actor) == "operator"


def test_a_position_is_handed_over_for_a_reason_that_is_kept(console: Client, desk: Desk) -> None:
    address = reverse("trade_wish", args=[desk.trade.pk, "release"])
    for reason in ("", "  "):
        answer = console.post(address, close_form(desk, reason=reason), headers=HTMX)
        assert answer.status_code == 422
        assert "give a reason" in answer.content.decode()
    assert not Command.objects.exists()
    answer = console.post(address, close_form(desk, reason="I trade it myself"), headers=HTMX)
    assert answer.status_code == 202
    command = Command.objects.get()
    assert (command.kind, command.target) == ("release", desk.trade.pk)
    assert command.expected_version == desk.trade.version
    action = OperatorAction.objects.get(action="command release")
    assert (action.reason, str(action.actor)) == ("I trade it myself", "operator")
    event = Event.objects.get(kind="command_requested")
    assert event.text == "Hand the position over requested (I trade it myself)."


def test_without_script_the_command_leads_back_to_the_trade(console: Client, desk: Desk) -> None:
    answer = console.post(reverse("trade_wish", args=[desk.trade.pk, "cancel"]), close_form(desk))
    assert answer["Location"] == reverse("trade", args=[desk.trade.pk])
    assert Command.objects.get().kind == "cancel"


def test_command_without_a_key_is_refused_in_words(console: Client, desk: Desk) -> None:
    address = reverse("trade_wish", args=[desk.trade.pk, "close"])
    answer = console.post(address, close_form(desk, idempotency_key=""), headers=HTMX)
    assert answer.status_code == 422
    assert "idempotency key" in answer.content.decode()
    assert not Command.objects.exists()


def test_state_of_a_command_is_asked_again_until_it_is_final(
    console: Client, account: ExchangeAccount
) -> None:
    command = factories.CommandFactory.create(account=account, state="sent")
    address = reverse("command", args=[command.pk])
    assert "hx-get" in console.get(address).content.decode()
    Command.objects.update(state="refused", answer="The trade is closed already.")
    text = console.get(address).content.decode()
    assert "hx-get" not in text
    assert "The trade is closed already." in text


@pytest.mark.parametrize(("answer", "state"), [("approve", "approved"), ("refuse", "refused")])
def test_question_is_answered(console: Client, desk: Desk, answer: str, state: str) -> None:
    form = {"answer": answer, "payload_hash": desk.approval.payload_hash}
    console.post(reverse("approval", args=[desk.approval.pk]), form, headers=HTMX)
    desk.approval.refresh_from_db()
    assert (desk.approval.decision, desk.approval.channel) == (state, "console")
    assert desk.approval.signal.state == state


def test_answer_to_another_payload_is_refused(console: Client, desk: Desk) -> None:
    form = {"answer": "approve", "payload_hash": "of something else"}
    answer = console.post(reverse("approval", args=[desk.approval.pk]), form, headers=HTMX)
    desk.approval.refresh_from_db()
    assert answer.status_code == 422
    assert desk.approval.decision == "waiting"


def test_second_answer_is_told_it_came_too_late(console: Client, desk: Desk) -> None:
    address = reverse("approval", args=[desk.approval.pk])
    form = {"payload_hash": desk.approval.payload_hash}
    console.post(address, form | {"answer": "refuse"})
    answer = console.post(address, form | {"answer": "approve"}, headers=HTMX)
    assert "already answered" in answer.content.decode()


def test_bot_is_paused_and_started(console: Client, desk: Desk) -> None:
    address = reverse("bot_state", args=[desk.bot.pk])
    for state in ("paused", "running"):
        console.post(address, {"state": state})
        desk.bot.refresh_from_db()
        assert desk.bot.state == state
    assert console.post(address, {"state": "archived"}).status_code == 404


def test_run_now_makes_a_cycle_that_only_observes(console: Client, desk: Desk) -> None:
    answer = console.post(reverse("run_now", args=[desk.bot.pk]))
    cycle = Cycle.objects.latest("id")
    assert answer["Location"] == reverse("cycle", args=[cycle.pk])
    assert cycle.observe_only


def test_cycle_page_asks_again_until_the_cycle_is_final(console: Client, desk: Desk) -> None:
    address = console.post(reverse("run_now", args=[desk.bot.pk]))["Location"]
    waiting = console.get(address).content.decode()
    for part in ("hx-get", "Waiting for its turn", "beside the schedule, and never trades"):
        assert part in waiting
    Cycle.objects.filter(state="due").update(state="completed")
    text = console.get(address, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in text
    assert f'hx-get="{address}"' not in text
    assert "This cycle decided nothing." in text


@pytest.mark.parametrize(("scope", "whose"), [("everything", None), ("account", "demo")])
def test_kill_page_halts_and_arms_again(
    console: Client, account: ExchangeAccount, scope: str, whose: str | None
) -> None:
    seen = ""
    for action, state in (("press", "halted"), ("rearm", "reducing"), ("rearm", "active")):
        form = {"action": action, "level": "3", "scope": scope, "reason": "a drill", "seen": seen}
        assert console.post(reverse("kill"), form).status_code == 302
        row = TradingState.objects.get(account__name=whose)
        assert (row.state, row.reason, str(row.actor)) == (state, "a drill", "operator")
        seen = state
    run = KillRun.objects.get()
    assert (run.level, str(run.actor), run.channel) == (3, "operator", "console")


def test_kill_page_lists_what_it_waits_for(console: Client, desk: Desk) -> None:
    form = PRESS | {"level": "4", "scope": "account"}
    text = console.post(reverse("kill"), form, follow=True).content.decode()
    for part in ("still open after", "waiting for the exchange", "Press the kill switch"):
        assert part in text
    part = console.get(reverse("kill"), headers=HTMX).content.decode()
    assert "every 1s" in part
    assert "<html" not in part
    refused = console.post(
        reverse("kill"),
        {"action": "rearm", "scope": "account", "reason": "too soon", "seen": "halted"},
        follow=True,
    )
    assert "the kill switch still waits for" in refused.content.decode()


def test_a_drill_of_everything_is_refused(console: Client, account: ExchangeAccount) -> None:
    text = console.post(reverse("kill"), PRESS | {"drill": "1"}, follow=True).content.decode()
    assert "a drill is for one simulated or paper account" in text
    assert not KillRun.objects.exists()
    done = console.post(
        reverse("kill"), PRESS | {"drill": "1", "scope": "account"}, follow=True
    ).content.decode()
    assert "Last drill" in done


@pytest.mark.parametrize(
    "wrong", [{"action": "dance"}, {"level": "5"}, {"level": ""}, {"scope": "neighbour"}]
)
def test_a_press_that_makes_no_sense_is_refused(
    console: Client, account: ExchangeAccount, wrong: dict[str, str]
) -> None:
    assert console.post(reverse("kill"), PRESS | wrong).status_code == 404
    assert not KillRun.objects.exists()


def test_halt_is_not_lifted_in_one_step(console: Client, account: ExchangeAccount) -> None:
    console.post(reverse("kill"), PRESS)
    form = PRESS | {"action": "rearm", "seen": "halted"}
    assert 'name="seen" value="halted"' in console.get(reverse("kill")).content.decode()
    console.post(reverse("kill"), form)
    twice = console.post(reverse("kill"), form, follow=True).content.decode()
    assert "it stands at reducing by now; look again" in twice
    assert TradingState.objects.get(account=None).state == "reducing"
    assert "Last step: let entries go on" in console.get(reverse("kill")).content.decode()


def test_kill_needs_a_reason(console: Client, account: ExchangeAccount) -> None:
    form = PRESS | {"reason": " "}
    text = console.post(reverse("kill"), form, follow=True).content.decode()
    assert "give a reason" in text


def test_halt_of_everything_is_told_to_each_account(
    console: Client, account: ExchangeAccount
) -> None:
    console.post(reverse("kill"), PRESS)
    for name in ("events", "overview"):
        assert (
            "Kill switch, level 3 pressed (a drill)" in console.get(reverse(name)).content.decode()
        )
    assert "<small>operator, <time" in console.get(reverse("kill")).content.decode()


def test_halted_engine_is_named_on_every_page(console: Client, account: ExchangeAccount) -> None:
    console.post(reverse("kill"), PRESS)
    assert ">HALTED</span>" in console.get(reverse("trades")).content.decode()


def test_plug_is_pulled_and_its_result_shown(console: Client, account: ExchangeAccount) -> None:
    pulled = console.post(reverse("plug"))
    waiting = console.get(pulled["Location"]).content.decode()
    assert "Armed: the trader dies at its next order, at the latest in 45 s" in waiting
    Command.objects.update(state="sent", payload={"died_at": "2024-03-01T12:00:07+00:00"})
    dead = console.get(pulled["Location"]).content.decode()
    assert "The trader was killed at 12:00:07 UTC; waiting" in dead
    factories.EventFactory.create(
        account=account,
        kind="plug_result",
        text="Recovered.",
        data={
            "recovered_s": 2.31,
            "duplicate_orders": 0,
            "longest_naked_ms": 180,
            "ledgers_agree": True,
            "in_flight": "entry of BTCUSDT",
        },
    )
    shown = console.get(pulled["Location"]).content.decode()
    for part in ("2.31 s", "180 ms", "ledgers agree", "entry of BTCUSDT"):
        assert part in shown
    Command.objects.update(state="done")
    assert "ledgers agree" in console.get(reverse("plug")).content.decode()


def test_plug_without_an_order_in_time_says_so(console: Client, account: ExchangeAccount) -> None:
    factories.EventFactory.create(
        account=account, kind="plug_result", text="Recovered.", data={"in_flight": "nothing"}
    )
    assert "No order came in time" in console.get(reverse("plug")).content.decode()


def test_real_money_has_no_plug(console: Client, db: None) -> None:
    factories.AccountFactory.create(mode="LIVE")
    assert console.post(reverse("plug")).status_code == 404


def test_nothing_is_done_by_get(console: Client, desk: Desk) -> None:
    for address in (
        reverse("trade_wish", args=[desk.trade.pk, "close"]),
        reverse("trade_wish", args=[desk.trade.pk, "release"]),
        reverse("approval", args=[desk.approval.pk]),
        reverse("bot_state", args=[desk.bot.pk]),
        reverse("run_now", args=[desk.bot.pk]),
        reverse("account"),
        reverse("logout"),
    ):
        assert console.get(address).status_code == 405


def test_commands_need_the_page_they_came_from(desk: Desk, console: Client) -> None:
    foreign = Client(enforce_csrf_checks=True)
    foreign.cookies = console.cookies
    answer = foreign.post(reverse("trade_wish", args=[desk.trade.pk, "close"]), close_form(desk))
    assert answer.status_code == 403
    assert not Command.objects.exists()


def test_refusal_leads_back_to_the_page_it_came_from(console: Client, desk: Desk) -> None:
    address = reverse("trade_wish", args=[desk.trade.pk, "close"])
    form = close_form(desk, idempotency_key="")
    own = console.post(address, form, headers={"Referer": "http://testserver/?x=1"})
    foreign = console.post(address, form, headers={"Referer": "https://elsewhere.example/"})
    assert own["Location"] == "/?x=1"
    assert foreign["Location"] == reverse("trade", args=[desk.trade.pk])
