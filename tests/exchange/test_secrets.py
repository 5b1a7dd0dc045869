"""Secrets at rest: they open only where they belong, with the key that sealed them."""

from __future__ import annotations

import base64
import stat
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pytest_django.fixtures import Settings

from exchange import secrets
from exchange.errors import ExchangeHalted
from exchange.secrets import SecretsUnreadable, seal, sealed_with_old_key, unseal

SECRET = "canary-secret-4711"
OTHER_KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def data_folder(settings: Settings, tmp_path: Path) -> Path:
    settings.DATA_DIR = tmp_path
    settings.KEY_ENCRYPTION_KEY = None
    return tmp_path


def test_a_secret_comes_back_and_does_not_show() -> None:
    sealed = seal(SECRET, account_id=1, name="api_secret")
    assert SECRET not in sealed
    assert unseal(sealed, account_id=1, name="api_secret") == SECRET


def test_the_key_is_generated_once_for_its_owner_only(data_folder: Path) -> None:
    first = seal(SECRET, account_id=1, name="api_secret")
    file = data_folder / secrets.KEY_FILE
    kept = file.read_bytes()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert seal(SECRET, account_id=1, name="api_secret") != first
    assert file.read_bytes() == kept
    assert [path.name for path in data_folder.iterdir()] == [secrets.KEY_FILE]


def test_two_processes_that_generate_at_once_agree() -> None:
    barrier = threading.Barrier(8)
    sealed: list[str] = []

    def work() -> None:
        barrier.wait()
        sealed.append(seal(SECRET, account_id=1, name="api_secret"))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [unseal(text, account_id=1, name="api_secret") for text in sealed] == [SECRET] * 8


@pytest.mark.parametrize(("account_id", "name"), [(2, "api_secret"), (1, "other")])
def test_a_ciphertext_opens_nowhere_else(account_id: int, name: str) -> None:
    sealed = seal(SECRET, account_id=1, name="api_secret")
    with pytest.raises(SecretsUnreadable, match="belongs to another account"):
        unseal(sealed, account_id=account_id, name=name)


@given(bit=st.integers(0, 8 * (12 + len(SECRET) + 16) - 1))
def test_a_flipped_bit_is_noticed(bit: int) -> None:
    version, key_id, text = seal(SECRET, account_id=1, name="api_secret").split(".")
    payload = bytearray(base64.urlsafe_b64decode(text))
    payload[bit // 8] ^= 1 << bit % 8
    changed = f"{version}.{key_id}.{base64.urlsafe_b64encode(payload).decode()}"
    with pytest.raises(SecretsUnreadable):
        unseal(changed, account_id=1, name="api_secret")


@pytest.mark.parametrize("text", ["", "nonsense", "1.", "1.aa.###", "2.aa.AAAA", "1.aa.AAAA"])
def test_damage_is_said(text: str) -> None:
    with pytest.raises(SecretsUnreadable, match="damaged"):
        unseal(text, account_id=1, name="api_secret")


def test_a_lost_key_halts_and_is_not_generated_anew(data_folder: Path) -> None:
    sealed = seal(SECRET, account_id=1, name="api_secret")
    (data_folder / secrets.KEY_FILE).unlink()
    with pytest.raises(ExchangeHalted, match="which is not here: set KEY_ENCRYPTION_KEY") as caught:
        unseal(sealed, account_id=1, name="api_secret")
    assert SECRET not in str(caught.value)
    assert not (data_folder / secrets.KEY_FILE).exists()


def test_a_wrong_key_halts(settings: Settings, data_folder: Path) -> None:
    sealed = seal(SECRET, account_id=1, name="api_secret")
    (data_folder / secrets.KEY_FILE).unlink()
    settings.KEY_ENCRYPTION_KEY = OTHER_KEY
    with pytest.raises(SecretsUnreadable, match="which is not here"):
        unseal(sealed, account_id=1, name="api_secret")


def test_after_a_rotation_the_old_key_opens_and_the_new_one_seals(settings: Settings) -> None:
    old = seal(SECRET, account_id=1, name="api_secret")
    assert not sealed_with_old_key(old)
    settings.KEY_ENCRYPTION_KEY = OTHER_KEY
    new = seal(SECRET, account_id=1, name="api_secret")
    assert unseal(old, account_id=1, name="api_secret") == SECRET
    assert unseal(new, account_id=1, name="api_secret") == SECRET
    assert sealed_with_old_key(old)
    assert not sealed_with_old_key(new)


def test_a_set_key_leaves_no_file(settings: Settings, data_folder: Path) -> None:
    settings.KEY_ENCRYPTION_KEY = OTHER_KEY
    sealed = seal(SECRET, account_id=1, name="api_secret")
    assert unseal(sealed, account_id=1, name="api_secret") == SECRET
    assert list(data_folder.iterdir()) == []


@pytest.mark.parametrize("content", [b"short\n", b"\xff\xfe\n", b"bm90IDMyIGJ5dGVz\n"])
def test_a_damaged_key_file_is_said_and_kept(data_folder: Path, content: bytes) -> None:
    (data_folder / secrets.KEY_FILE).write_bytes(content)
    with pytest.raises(SecretsUnreadable, match=secrets.KEY_FILE):
        seal(SECRET, account_id=1, name="api_secret")
    assert (data_folder / secrets.KEY_FILE).read_bytes() == content


def test_the_key_never_shows(settings: Settings) -> None:
    settings.KEY_ENCRYPTION_KEY = OTHER_KEY
    assert OTHER_KEY not in repr(secrets._keys())
    assert "value" not in repr(secrets._keys())
