"""The environment, read once, typed and checked.

Every variable has a safe default; a wrong one stops the start with its name, what it got and
what it wants. Secrets may come from a file instead: ``SECRET_KEY_FILE`` beside ``SECRET_KEY``.
"""

from __future__ import annotations

import base64
import os
import re
import secrets
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
BASE_DIR = Path(__file__).resolve().parent.parent
SECRET_NAMES = (
    "SECRET_KEY",
    "DATABASE_URL",
    "REDIS_URL",
    "SENTRY_DSN",
    "KEY_ENCRYPTION_KEY",
    "HEARTBEAT_URL",
    "OPENAI_API_KEY",
)


class EnvironmentRefused(SystemExit):
    """A variable is wrong; the text names each one, what it got and what it wants."""


class Deployment(StrEnum):
    """EMBEDDED and SOLO run everything in one process; PRODUCTION runs the processes apart."""

    EMBEDDED = "embedded"
    SOLO = "solo"
    PRODUCTION = "production"


class Market(StrEnum):
    """What the account of a first start trades on."""

    SIM = "sim"
    BYBIT = "bybit"


class Environment(BaseSettings):
    """All variables. ``description`` is what the variable wants, in the words of the refusal."""

    model_config = SettingsConfigDict(
        case_sensitive=False, env_ignore_empty=True, extra="ignore", frozen=True
    )

    autotrader_data: Path = Field(
        default=BASE_DIR / "var", description="a folder that can be written"
    )
    deployment: Deployment = Field(
        default=Deployment.EMBEDDED, description="embedded, solo or production"
    )
    secret_key: SecretStr | None = Field(
        default=None, description="at least 32 characters, or unset for a generated one"
    )
    database_url: SecretStr | None = Field(
        default=None, description="postgresql://USER:PASSWORD@HOST:PORT/NAME, or unset for SQLite"
    )
    redis_url: SecretStr | None = Field(
        default=None, description="redis://HOST:PORT/NUMBER, or unset for one process"
    )
    sentry_dsn: SecretStr | None = Field(default=None, description="an https address, or unset")
    key_encryption_key: SecretStr | None = Field(
        default=None,
        description="32 bytes in base64 that encrypt exchange keys, or unset for generated ones",
    )
    heartbeat_url: SecretStr | None = Field(
        default=None, description="an http or https address to ping every minute, or unset"
    )
    openai_api_key: SecretStr | None = Field(
        default=None, description="the key of an OpenAI project without spaces, or unset"
    )
    bybit_rest_url: str | None = Field(
        default=None, description="http://127.0.0.1:PORT of a local simulator, or unset"
    )
    bybit_ws_public_url: str | None = Field(
        default=None, description="ws://127.0.0.1:PORT of a local simulator, or unset"
    )
    bybit_ws_private_url: str | None = Field(
        default=None, description="ws://127.0.0.1:PORT of a local simulator, or unset"
    )
    faults_dir: Path | None = Field(
        default=None, description="a folder with armed kill points, for crash tests on loopback"
    )
    debug: bool = Field(default=False, description="true or false")
    host: str = Field(default="127.0.0.1", description="an address to listen on", min_length=1)
    port: int = Field(default=8000, ge=1, le=65535, description="a whole number, 1 to 65535")
    allowed_hosts: Annotated[list[str], NoDecode] = Field(
        default=["localhost", "127.0.0.1", "[::1]"],
        description="host names with commas between them, without * in production",
    )
    csrf_trusted_origins: Annotated[list[str], NoDecode] = Field(
        default=[], description="origins such as https://trade.example, with commas between them"
    )
    log_level: str = Field(
        default="INFO",
        pattern="^(DEBUG|INFO|WARNING|ERROR)$",
        description="DEBUG, INFO, WARNING or ERROR",
    )
    log_format: str = Field(
        default="console", pattern="^(console|json)$", description="console or json"
    )
    live_trading: bool = Field(
        default=False, description="true or false; true is refused until live trading is built"
    )
    market: Market = Field(default=Market.SIM, description="sim or bybit")
    bybit_region: str = Field(
        default="bybit.com", description="one of Bybit's sites, such as bybit.com or bybit.eu"
    )
    ai_evidence_days: int = Field(
        default=90, ge=1, le=36_500, description="a whole number of days from 1"
    )
    demo: bool = Field(
        default=True, description="true or false; whether a first start makes a demo account"
    )
    demo_seed: int = Field(default=3, ge=0, lt=2**63, description="a whole number from 0")
    demo_speed: int = Field(default=120, description="1, 10, 60 or 120")

    @field_validator("allowed_hosts", "csrf_trusted_origins", mode="before")
    @classmethod
    def _split(cls, value: Any) -> Any:
        if isinstance(value, str):
            return [part.strip() for part in value.split(",") if part.strip()]
        return value

    @field_validator("csrf_trusted_origins")
    @classmethod
    def _origins_have_schemes(cls, value: list[str]) -> list[str]:
        for origin in value:
            if urlsplit(origin).scheme not in ("http", "https"):
                raise ValueError("scheme")
        return value

    @field_validator("secret_key")
    @classmethod
    def _long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value()) < 32:
            raise ValueError("length")
        return value

    @field_validator("database_url")
    @classmethod
    def _is_postgresql(cls, value: SecretStr | None) -> SecretStr | None:
        return _with_scheme(value, "postgresql", "postgres")

    @field_validator("redis_url")
    @classmethod
    def _is_redis(cls, value: SecretStr | None) -> SecretStr | None:
        return _with_scheme(value, "redis", "rediss", "unix")

    @field_validator("sentry_dsn")
    @classmethod
    def _is_address(cls, value: SecretStr | None) -> SecretStr | None:
        return _with_scheme(value, "http", "https")

    @field_validator("heartbeat_url")
    @classmethod
    def _is_web_address(cls, value: SecretStr | None) -> SecretStr | None:
        return _with_scheme(value, "http", "https")

    @field_validator("key_encryption_key")
    @classmethod
    def _is_a_key(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None:
            key = base64.b64decode(value.get_secret_value(), validate=True)
            if len(key) != 32:
                raise ValueError("length")
        return value

    @field_validator("openai_api_key")
    @classmethod
    def _is_one_word(cls, value: SecretStr | None) -> SecretStr | None:
        """A line end copied along would break the header it goes into, far from here."""
        if value is not None and not re.fullmatch("[!-~]+", value.get_secret_value()):
            raise ValueError("characters")
        return value

    @field_validator("bybit_rest_url", "bybit_ws_public_url", "bybit_ws_private_url")
    @classmethod
    def _is_loopback(cls, value: str | None) -> str | None:
        """Only a simulator on this machine may stand in for Bybit."""
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.hostname not in LOOPBACK or parts.scheme not in ("http", "ws"):
            raise ValueError("loopback")
        return value.rstrip("/")

    @field_validator("demo_speed")
    @classmethod
    def _known_speed(cls, value: int) -> int:
        if value not in (1, 10, 60, 120):
            raise ValueError("speed")
        return value

    @model_validator(mode="after")
    def _production_is_closed(self) -> Environment:
        if self.deployment is Deployment.PRODUCTION:
            if self.debug:
                raise ValueError("DEBUG: got true, wants false when DEPLOYMENT is production")
            if "*" in self.allowed_hosts:
                raise ValueError("ALLOWED_HOSTS: got *, wants host names in production")
            for name in ("secret_key", "database_url", "redis_url"):
                if getattr(self, name) is None:
                    raise ValueError(
                        f"{name.upper()}: got nothing, wants a value when DEPLOYMENT is production"
                    )
        return self

    @model_validator(mode="after")
    def _faults_stay_on_this_machine(self) -> Environment:
        """Kill points are armed only where nothing they break can be real."""
        if self.faults_dir is None:
            return self
        wants = "wants every endpoint on this machine while FAULTS_DIR is set"
        for name in ("bybit_rest_url", "bybit_ws_public_url", "bybit_ws_private_url"):
            if getattr(self, name) is None:
                raise ValueError(f"{name.upper()}: got nothing, {wants}")
        for name in ("database_url", "redis_url", "sentry_dsn", "heartbeat_url"):
            secret: SecretStr | None = getattr(self, name)
            if secret is not None and not _on_this_machine(secret.get_secret_value()):
                raise ValueError(f"{name.upper()}: got a value that is not shown, {wants}")
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings, env_settings)

    @property
    def data(self) -> Path:
        """The data folder, absolute."""
        return self.autotrader_data.expanduser().resolve()


def _on_this_machine(url: str) -> bool:
    """Whether the address is loopback, a unix socket, or has no host."""
    parts = urlsplit(url)
    host = parts.hostname or dict(parse_qsl(parts.query)).get("host", "")
    return host in LOOPBACK or not host or host.startswith("/")


def _with_scheme(value: SecretStr | None, *schemes: str) -> SecretStr | None:
    if value is not None and urlsplit(value.get_secret_value()).scheme not in schemes:
        raise ValueError("scheme")
    return value


def load_environment() -> Environment:
    """Read and check the environment.

    Raises ``EnvironmentRefused`` with one line per wrong variable; secrets are not printed.
    """
    for name in SECRET_NAMES:
        _read_secret_file(name)
    try:
        return Environment()
    except ValidationError as exc:
        raise EnvironmentRefused("\n".join(_refusals(exc))) from None


def _read_secret_file(name: str) -> None:
    path = os.environ.get(f"{name}_FILE")
    if not path:
        return
    if os.environ.get(name):
        raise EnvironmentRefused(f"{name}_FILE: {name} is set too; wants only one of them")
    try:
        os.environ[name] = Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as exc:
        reason = getattr(exc, "strerror", None) or "not text"
        raise EnvironmentRefused(
            f"{name}_FILE: got {path!r} ({reason}), wants a readable text file"
        ) from None


def _refusals(error: ValidationError) -> list[str]:
    lines = []
    for item in error.errors():
        if not item["loc"]:
            lines.append(str(item["ctx"]["error"]))
            continue
        name = str(item["loc"][0]).upper()
        got = "a value that is not shown" if name in SECRET_NAMES else repr(item["input"])
        field = Environment.model_fields[name.lower()]
        lines.append(f"{name}: got {got}, wants {field.description}")
    return lines


def prepare_data_folder(environment: Environment) -> None:
    """Create the data folder for its owner only, or say why it can't be."""
    try:
        environment.data.mkdir(parents=True, exist_ok=True, mode=0o700)
        # For collected static files; the server warns about a folder that is not there.
        (environment.data / "static").mkdir(exist_ok=True)
        probe = environment.data / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as exc:
        raise EnvironmentRefused(
            f"AUTOTRADER_DATA: got {str(environment.data)!r} ({exc.strerror}), "
            "wants a folder that can be written"
        ) from None


def secret_key(environment: Environment) -> str:
    """The key from the environment, else the one generated in the data folder."""
    if environment.secret_key is not None:
        return environment.secret_key.get_secret_value()
    path = environment.data / "secret_key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        key = path.read_text(encoding="ascii").strip()
        if len(key) >= 32:
            return key
        raise EnvironmentRefused(
            f"{path}: holds no key of 32 characters; remove it and start again"
        ) from None
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(50))
    return path.read_text(encoding="ascii")
