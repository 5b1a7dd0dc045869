"""Wrong variables stop the start with their name, what they got and what they want."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from config.environment import (
    BASE_DIR,
    SECRET_NAMES,
    Environment,
    EnvironmentRefused,
    load_environment,
    prepare_data_folder,
    secret_key,
)

LONG_KEY = "k" * 50
WRONG = [
    ({"PORT": "http"}, "PORT: got 'http', wants a whole number, 1 to 65535"),
    ({"PORT": "70000"}, "PORT: got '70000', wants a whole number, 1 to 65535"),
    (
        {"DEPLOYMENT": "staging"},
        "DEPLOYMENT: got 'staging', wants embedded, solo or production",
    ),
    ({"AI_EVIDENCE_DAYS": "0"}, "AI_EVIDENCE_DAYS: got '0', wants a whole number of days from 1"),
    ({"DEBUG": "maybe"}, "DEBUG: got 'maybe', wants true or false"),
    (
        {"SECRET_KEY": "short"},
        "SECRET_KEY: got a value that is not shown, wants at least 32 characters, "
        "or unset for a generated one",
    ),
    (
        {"DATABASE_URL": "mysql://root:hunter2@db/x"},
        "DATABASE_URL: got a value that is not shown, "
        "wants postgresql://USER:PASSWORD@HOST:PORT/NAME, or unset for SQLite",
    ),
    (
        {"REDIS_URL": "localhost:6379"},
        "REDIS_URL: got a value that is not shown, "
        "wants redis://HOST:PORT/NUMBER, or unset for one process",
    ),
    (
        {"LOG_LEVEL": "LOUD"},
        "LOG_LEVEL: got 'LOUD', wants DEBUG, INFO, WARNING or ERROR",
    ),
    (
        {"CSRF_TRUSTED_ORIGINS": "trade.example"},
        "CSRF_TRUSTED_ORIGINS: got 'trade.example', "
        "wants origins such as https://trade.example, with commas between them",
    ),
    ({"MARKET": "binance"}, "MARKET: got 'binance', wants sim or bybit"),
    (
        {"BYBIT_REST_URL": "https://api.bybit.com"},
        "BYBIT_REST_URL: got 'https://api.bybit.com', "
        "wants http://127.0.0.1:PORT of a local simulator, or unset",
    ),
    (
        {"KEY_ENCRYPTION_KEY": "c2hvcnQ="},
        "KEY_ENCRYPTION_KEY: got a value that is not shown, "
        "wants 32 bytes in base64 that encrypt exchange keys, or unset for generated ones",
    ),
    (
        {"HEARTBEAT_URL": "ping.example/token"},
        "HEARTBEAT_URL: got a value that is not shown, "
        "wants an http or https address to ping every minute, or unset",
    ),
    (
        {"OPENAI_API_KEY": "sk-one sk-two"},
        "OPENAI_API_KEY: got a value that is not shown, "
        "wants the key of an OpenAI project without spaces, or unset",
    ),
    (
        {"FAULTS_DIR": "faults"},
        "BYBIT_REST_URL: got nothing, wants every endpoint on this machine while FAULTS_DIR is set",
    ),
    (
        {
            "FAULTS_DIR": "faults",
            "BYBIT_REST_URL": "http://127.0.0.1:9",
            "BYBIT_WS_PUBLIC_URL": "ws://127.0.0.1:9",
            "BYBIT_WS_PRIVATE_URL": "ws://127.0.0.1:9",
            "DATABASE_URL": "postgresql://user:hunter2@db.example/x",
        },
        "DATABASE_URL: got a value that is not shown, "
        "wants every endpoint on this machine while FAULTS_DIR is set",
    ),
    ({"DEMO_SPEED": "100"}, "DEMO_SPEED: got '100', wants 1, 10, 60 or 120"),
    ({"DEMO_SEED": "-1"}, "DEMO_SEED: got '-1', wants a whole number from 0"),
    (
        {"SENTRY_DSN": "not an address"},
        "SENTRY_DSN: got a value that is not shown, wants an https address, or unset",
    ),
    (
        {"DEPLOYMENT": "production", "SECRET_KEY": LONG_KEY, "REDIS_URL": "redis://r/0"},
        "DATABASE_URL: got nothing, wants a value when DEPLOYMENT is production",
    ),
    (
        {"DEPLOYMENT": "production", "DEBUG": "true"},
        "DEBUG: got true, wants false when DEPLOYMENT is production",
    ),
]


@pytest.fixture
def no_variables(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in Environment.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name in SECRET_NAMES:
        # Set and removed, so that what a file puts there is taken back after the test.
        monkeypatch.setenv(name, "")
    return monkeypatch


@pytest.mark.parametrize(("variables", "message"), WRONG, ids=[str(list(w[0])) for w in WRONG])
def test_wrong_value_is_named_with_what_is_wanted(
    no_variables: pytest.MonkeyPatch, variables: dict[str, str], message: str
) -> None:
    for name, value in variables.items():
        no_variables.setenv(name, value)
    with pytest.raises(EnvironmentRefused) as refused:
        load_environment()
    assert str(refused.value) == message


def test_every_wrong_value_is_named_at_once(no_variables: pytest.MonkeyPatch) -> None:
    no_variables.setenv("PORT", "x")
    no_variables.setenv("LOG_FORMAT", "xml")
    with pytest.raises(EnvironmentRefused) as refused:
        load_environment()
    assert [line.split(":")[0] for line in str(refused.value).splitlines()] == [
        "PORT",
        "LOG_FORMAT",
    ]


@pytest.mark.parametrize(("variables", "message"), [WRONG[0], WRONG[5], WRONG[12]])
def test_start_stops_with_that_sentence_alone(variables: dict[str, str], message: str) -> None:
    inherited = {"PATH": os.environ["PATH"], "AUTOTRADER_DATA": os.environ["AUTOTRADER_DATA"]}
    command = [sys.executable, "manage.py", "check"]
    done = subprocess.run(
        command,
        cwd=BASE_DIR,
        env=inherited | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.strip() == message
    assert "hunter2" not in done.stdout + done.stderr


def test_no_variable_is_needed(no_variables: pytest.MonkeyPatch) -> None:
    environment = load_environment()
    assert environment.port == 8000
    assert environment.database_url is None


def test_empty_variable_counts_as_unset(no_variables: pytest.MonkeyPatch) -> None:
    no_variables.setenv("PORT", "")
    assert load_environment().port == 8000


def test_secret_comes_from_its_file(no_variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{LONG_KEY}\n")
    no_variables.setenv("SECRET_KEY_FILE", str(path))
    key = load_environment().secret_key
    assert key is not None
    assert key.get_secret_value() == LONG_KEY


def test_secret_and_its_file_together_are_refused(
    no_variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_variables.setenv("SECRET_KEY", LONG_KEY)
    no_variables.setenv("SECRET_KEY_FILE", str(tmp_path / "key"))
    with pytest.raises(EnvironmentRefused, match="SECRET_KEY is set too; wants only one"):
        load_environment()


def test_missing_secret_file_is_named(no_variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    no_variables.setenv("REDIS_URL_FILE", str(tmp_path / "none"))
    with pytest.raises(EnvironmentRefused, match=r"REDIS_URL_FILE: got .*No such file"):
        load_environment()


def test_generated_key_is_kept_and_private(
    no_variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    no_variables.setenv("AUTOTRADER_DATA", str(tmp_path / "data"))
    environment = load_environment()
    prepare_data_folder(environment)
    key = secret_key(environment)
    assert len(key) >= 50
    assert secret_key(environment) == key
    assert stat.S_IMODE((tmp_path / "data" / "secret_key").stat().st_mode) == 0o600


def test_file_in_place_of_the_data_folder_is_refused(
    no_variables: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "data").write_text("")
    no_variables.setenv("AUTOTRADER_DATA", str(tmp_path / "data"))
    with pytest.raises(EnvironmentRefused, match=r"AUTOTRADER_DATA: got .*File exists.*folder"):
        prepare_data_folder(load_environment())


def test_emptied_key_file_is_refused(no_variables: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("")
    no_variables.setenv("AUTOTRADER_DATA", str(tmp_path))
    with pytest.raises(EnvironmentRefused, match="holds no key of 32 characters"):
        secret_key(load_environment())


def test_example_file_explains_exactly_the_variables_there_are() -> None:
    lines = (BASE_DIR / ".env.example").read_text(encoding="utf-8").splitlines()
    names = [line.partition("=")[0] for line in lines if "=" in line and not line.startswith("#")]
    assert names == [name.upper() for name in Environment.model_fields]
    for number, line in enumerate(lines):
        if "=" in line and not line.startswith("#"):
            assert lines[number - 1].startswith("# ")
