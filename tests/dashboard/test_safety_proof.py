"""The figures of the fault harness, as the Safety page reads and shows them."""

from __future__ import annotations

import json
import os
from html import unescape
from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from dashboard.selectors.safety_proof import Proof, proof_read
from exchange.models import ExchangeAccount
from tests.crash.tally import Tally


@pytest.fixture(autouse=True)
def folder(settings: Settings, tmp_path: Path) -> Path:
    """An empty data folder; the checkout has no counts either."""
    settings.DATA_DIR = tmp_path / "data"
    settings.BASE_DIR = tmp_path
    settings.DATA_DIR.mkdir()
    (tmp_path / "var").mkdir()
    return tmp_path


def text_of(client: Client) -> str:
    answer = client.get(reverse("safety"))
    assert answer.status_code == 200
    return unescape(answer.content.decode())


def write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")


def row(**changes: object) -> dict[str, object]:
    count = {"n": 50, "failed": 0, "worst_gap_s": 0.8, "worst_settled_s": 12.5, "failures": []}
    return count | changes


def test_without_a_file_the_page_says_how_to_make_one(
    console: Client, account: ExchangeAccount
) -> None:
    assert proof_read() == Proof()
    text = text_of(console)
    assert "Nothing has been proved on this machine yet." in text
    assert "make crash" in text
    assert 'class="table proof"' not in text


def test_what_the_harness_counts_is_what_the_page_shows(
    console: Client, account: ExchangeAccount, folder: Path
) -> None:
    path = folder / "var" / "crash.json"
    Tally(path, "state machine").add("sequences", gap_s=0, settled_s=0, failures=[], times=60_000)
    Tally(path, "matrix apart").add("K8", gap_s=1.25, settled_s=8, failures=[], times=600)
    Tally(path, "matrix apart").add("K10", gap_s=0.4, settled_s=33, failures=[], times=600)
    proof = proof_read()
    matrix, machine = proof.groups
    assert (matrix.title, matrix.n, matrix.failed) == ("Kills, processes apart", "1,200", 0)
    assert (matrix.worst_gap, matrix.worst_settled) == ("1.2 s", "33.0 s")
    assert matrix.bound == "0.250 %"
    assert [kind.name for kind in matrix.kinds] == ["K8", "K10"]
    assert matrix.ran is not None
    assert proof.updated is not None
    assert (machine.n, machine.bound) == ("60,000", "0.005 %")
    assert (machine.timed, machine.worst_gap) == (False, "–")
    text = text_of(console)
    assert "a signal is claimed for sending, its order not stored" in text
    assert "60,000" in text


def test_a_bar_past_its_promise_says_so(folder: Path) -> None:
    content = {
        "K8": row(worst_gap_s=5.4, worst_settled_s=31.0, failed=1, failures=["K8: too slow"]),
        "K9": row(worst_settled_s=34.0),
        "K15": row(worst_settled_s=46.0),
    }
    write(folder / "data" / "crash.json", {"matrix apart": content})
    (group,) = proof_read().groups
    assert (group.failed, group.bound, group.failures) == (1, "–", ("K8: too slow",))
    k8, k9, k15 = group.kinds
    assert (k8.gap.tone, k8.gap.over) == ("bad", "over 5 s")
    assert (k8.settled.tone, k8.settled.over) == ("bad", "over 30 s")
    assert (k9.settled.tone, k9.settled.over) == ("warn", "over 30 s")
    assert (k15.settled.tone, k15.settled.over) == ("bad", "over 45 s")
    assert group.waits_for_proof
    assert not group.folded


def test_the_newest_file_counts(folder: Path) -> None:
    older, newer = folder / "var" / "crash.json", folder / "data" / "crash.json"
    write(older, {"outages": {"a": row(n=1)}})
    write(newer, {"outages": {"a": row(n=2)}})
    os.utime(older, (1, 1))
    assert proof_read().groups[0].n == "2"
    os.utime(newer, (0, 0))
    assert proof_read().groups[0].n == "1"


@pytest.mark.parametrize("content", ["{", "[]", "\x00", '"text"'])
def test_a_broken_file_is_said_in_words(
    console: Client, account: ExchangeAccount, folder: Path, content: str
) -> None:
    (folder / "data" / "crash.json").write_text(content, encoding="utf-8")
    proof = proof_read()
    assert proof.found
    assert not proof.groups
    assert len(proof.problems) == 1
    assert proof.problems[0] in text_of(console)


@pytest.mark.parametrize(
    "broken",
    [
        {},
        7,
        {"K1": 7},
        {"K1": row(n="many")},
        {"K1": row(n=-1)},
        {"K1": row(worst_gap_s=float("nan"))},
        {"K1": row(failures="none")},
        {"K1": {}},
    ],
)
def test_a_broken_group_hides_no_other(folder: Path, broken: object) -> None:
    content = {"matrix apart": broken, "outages": {"a": row()}, "updated_at": 3, "ran_at": []}
    write(folder / "data" / "crash.json", content)
    proof = proof_read()
    assert [group.title for group in proof.groups] == ["Outages"]
    assert len(proof.problems) == 1
    assert "matrix apart" in proof.problems[0]
    assert proof.updated is None


def test_a_bound_is_rounded_up(folder: Path) -> None:
    write(folder / "data" / "crash.json", {"outages": {"a": row(n=9000)}})
    assert proof_read().groups[0].bound == "0.034 %"


def test_a_group_nobody_described_is_shown_all_the_same(folder: Path) -> None:
    write(folder / "data" / "crash.json", {"something new": {"a": row()}})
    (group,) = proof_read().groups
    assert (group.title, group.n, group.settled_promise) == ("Something new", "50", "")


def test_names_from_the_file_are_no_markup(
    console: Client, account: ExchangeAccount, folder: Path
) -> None:
    write(folder / "data" / "crash.json", {"matrix apart": {"<b>K1</b>": row()}})
    answer = console.get(reverse("safety")).content.decode()
    assert "<b>K1</b>" not in answer
    assert "&lt;b&gt;K1" in answer
