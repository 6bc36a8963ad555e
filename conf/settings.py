"""The only reader of the environment: conf/lumbung.yml overridden by LUMBUNG_* variables."""

import os
import sys
import threading
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from conf import knobs
from conf.knob_faults import sentences
from conf.runtime.exit_codes import ExitCode

REPO = Path(__file__).resolve().parent.parent
KNOBS = REPO / "conf" / "lumbung.yml"
MQTT_PORT = 1883
MQTTS_PORT = 8883
STATIC_BEARER = "a lasting bearer of this role, accepted only while identity.static_tokens is true"
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


def variable(name: str, description: str, default: object = None, **options: Any) -> Any:  # noqa: ANN401
    """A field that an environment variable of this common name gives, without LUMBUNG_."""
    return Field(default=default, validation_alias=name, description=description, **options)


def secret(description: str | None = None, name: str | None = None) -> Any:  # noqa: ANN401
    """A text that is never shown, from LUMBUNG_<field> or the variable of this name; empty by default."""
    return Field(default="", repr=False, validation_alias=name, description=description)


class Secrets(BaseSettings):
    """Keys, written by `setup` with mode 0600. Never logged."""

    model_config = SettingsConfigDict(env_prefix="LUMBUNG_", extra="ignore")
    jwt_secret: str = secret(
        "signs the tokens of people and devices, at least 32 bytes; setup writes one", "JWT_SECRET"
    )
    jwt_algorithm: str = variable("JWT_ALGORITHM", "HS256 or EdDSA", "HS256")
    token_device: str = secret(STATIC_BEARER)
    token_operator: str = secret(STATIC_BEARER)
    token_central: str = secret(STATIC_BEARER)
    token_admin: str = secret(STATIC_BEARER)
    token_user: str = secret(STATIC_BEARER)
    cursor_key: str = secret()
    decision_keys: str = secret(
        "keys that sign decisions, alerts of people and ledger entries, comma-separated, the "
        "newest first; setup writes one"
    )
    acts_signed_since: str = Field(
        default="",
        description="set by setup when signatures of alerts and ledger entries began: no older one needs any",
    )
    telegram_token: str = secret(
        "token of the Telegram bot; without it alerts are logged instead", "TELEGRAM_TOKEN"
    )
    whatsapp_token: str = secret(
        "token of the WhatsApp Cloud API; without it alerts are logged instead", "WHATSAPP_TOKEN"
    )
    smtp_url: str = secret(
        "smtps://user:password@host:465, or smtp://…; without it no e-mail is sent", "SMTP_URL"
    )
    panel_harga_key: str = secret(
        "key of Panel Harga's interface, sent as x-api-key to collectors.panel_harga_url", "PANEL_HARGA_KEY"
    )
    bps_key: str = secret("key of BPS's WebAPI, requested at collectors.bps_url", "BPS_KEY")
    newsapi_key: str = secret("key of NewsAPI; without it no news is searched", "NEWSAPI_KEY")
    twitter_token: str = secret("bearer token of X; without it no post is searched", "TWITTER_TOKEN")
    reddit_client_id: str = secret(
        "application registered with Reddit; without it no subreddit is read", "REDDIT_CLIENT_ID"
    )
    reddit_client_secret: str = secret("secret of that application", "REDDIT_CLIENT_SECRET")


@cache
def knob_defaults() -> dict[str, Any]:
    """conf/lumbung.yml, read once a process. libyaml takes 2 ms for it, the parser in Python 20 to 70 ms."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    values: dict[str, Any] = yaml.load(KNOBS.read_text(encoding="utf-8"), loader)  # noqa: S506 (both are safe)
    return values


class Settings(BaseSettings):
    """All knobs. Field meanings and units: conf/lumbung.yml."""

    model_config = SettingsConfigDict(env_prefix="LUMBUNG_", env_nested_delimiter="__", extra="ignore")
    home: Path = Field(
        default=REPO / "var",
        description="folder of everything that is not code: broker, tables, logs, secrets",
    )
    log_level: str = Field(description="DEBUG, INFO, WARNING or ERROR")
    language: Literal["en", "id"] = Field(description="language of what commands print for people: en or id")
    kafka: knobs.KafkaKnobs
    api: knobs.ApiKnobs
    identity: knobs.IdentityKnobs
    limits: knobs.LimitKnobs
    mqtt: knobs.MqttKnobs
    landing: knobs.LandingKnobs
    stream: knobs.StreamKnobs
    lake: knobs.LakeKnobs
    validation: knobs.ValidationKnobs
    retail: knobs.RetailKnobs
    alerts: knobs.AlertKnobs
    collectors: knobs.CollectorKnobs
    supply: knobs.SupplyKnobs
    trading: knobs.TradingKnobs
    indicators: knobs.IndicatorKnobs
    anomalies: knobs.AnomalyKnobs
    forecast: knobs.ForecastKnobs
    training: knobs.TrainingKnobs
    cv: knobs.CvKnobs
    # Common names of variables, accepted besides their LUMBUNG_ spelling.
    api_port_short: knobs.PortNumber | None = variable("API_PORT", "the same as LUMBUNG_API__PORT")
    log_level_short: str | None = variable("LOG_LEVEL", "the same as LUMBUNG_LOG_LEVEL")
    cors_origins_short: str | None = variable("CORS_ORIGINS", "allowed origins, comma-separated")
    alert_threshold_short: float | None = variable(
        "ALERT_THRESHOLD", "the same as LUMBUNG_ALERTS__THRESHOLD", ge=0, le=100
    )
    mail_from: str = variable(
        "MAIL_FROM", "address that alerts are mailed from; the user of SMTP_URL unless given", ""
    )
    mqtt_tls_cert: Path | None = variable(
        "MQTT_TLS_CERT", "PEM certificate of the MQTT listener, which then uses TLS on port 8883"
    )
    mqtt_tls_key: Path | None = variable("MQTT_TLS_KEY", "PEM private key of that certificate")
    mqtt_tls_ca: Path | None = variable(
        "MQTT_TLS_CA", "PEM certificate of the authority whose client certificates are accepted as devices"
    )
    mlflow_tracking_uri: str | None = variable(
        "MLFLOW_TRACKING_URI", "MLflow server of runs and models instead of a SQLite file below LUMBUNG_HOME"
    )
    database_url: str | None = variable(
        "DATABASE_URL",
        "accounts and devices in PostgreSQL, postgresql+asyncpg://…, instead of a SQLite file "
        "below LUMBUNG_HOME",
        repr=False,
    )
    failpoint: str | None = Field(
        default=None, description="tests only: name[:n] of a point at which the process kills itself"
    )
    clock_steps: Path | None = Field(
        default=None, description="tests only: file with the steps of the clock that dates batches"
    )
    called_from: Path = Field(
        default=Path(), description="set by run.sh: the caller's folder, in which arguments are resolved"
    )
    shared: Path = Field(
        default=REPO.parent / "shared", description="folder of published data sets, for tests and benches"
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, InitSettingsSource(settings_cls, knob_defaults())

    def model_post_init(self, context: object, /) -> None:
        self.home = self.home.resolve()
        if self.api_port_short:
            self.api.port = self.api_port_short
        if self.mqtt_tls_cert and self.mqtt.port == MQTT_PORT:
            self.mqtt.port = MQTTS_PORT
        if self.alert_threshold_short is not None:
            self.alerts.threshold = self.alert_threshold_short
        if self.log_level_short:
            self.log_level = self.log_level_short
        if self.cors_origins_short:
            self.api.cors_origins = [
                origin.strip() for origin in self.cors_origins_short.split(",") if origin.strip()
            ]

    @property
    def lake_root(self) -> str:
        """URL or absolute path of the folder that holds bronze/, silver/ and gold/."""
        return self.lake.root if "://" in self.lake.root else str(self.home / self.lake.root)

    @property
    def landing_dir(self) -> Path:
        """The watched folder for files."""
        return self.home / self.landing.dir

    @property
    def state_dir(self) -> Path:
        """Checkpoint, locks, status files and the event-id index, always on a local disk."""
        return self.home / "state"

    @property
    def log_dir(self) -> Path:
        """Logs of the services."""
        return self.home / "log"

    @property
    def run_dir(self) -> Path:
        """Control socket and pid files; empty when nothing runs."""
        return self.home / "run"

    @property
    def secrets_file(self) -> Path:
        """Tokens and keys, mode 0600."""
        return self.home / "secrets.env"

    @property
    def mlflow_uri(self) -> str:
        """URI of MLflow's runs and registry: MLFLOW_TRACKING_URI, else a SQLite file of this home."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.mlflow_dir / 'mlflow.db'}"

    @property
    def identity_url(self) -> str:
        """URL of the database of accounts and devices: DATABASE_URL, else a SQLite file of this home."""
        return self.database_url or f"sqlite+aiosqlite:///{self.state_dir / 'identity.sqlite'}"

    @property
    def mlflow_dir(self) -> Path:
        """Folder of runs and artifacts, unless a server stores them."""
        return self.home / "mlflow"

    def rule_values(self) -> dict[str, Any]:
        """The values that rules use: the knobs of validation, and those of retail as `retail_<name>`."""
        shop = {f"retail_{name}": value for name, value in self.retail.model_dump().items()}
        return self.validation.model_dump() | shop

    @property
    def public_url(self) -> str:
        """The address under which people reach the API; never that of a request, which can be forged."""
        return self.api.public_url.rstrip("/") or f"http://{self.api.host}:{self.api.port}"


class SettingsReader:
    """Calling it returns the settings of this process, which it reads once, whatever thread asks first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._settings: Settings | None = None

    def __call__(self) -> Settings:
        """The settings. Exit 2 with a sentence per value that cannot be used."""
        if (known := self._settings) is not None:
            return known
        with self._lock:
            if self._settings is None:
                self._settings = read_settings()
            return self._settings

    def cache_clear(self) -> None:
        """The next call reads again. A reading that is under way is waited for: it may be of old values."""
        with self._lock:
            self._settings = None


def read_settings() -> Settings:
    """The settings as YAML and the environment have them now."""
    try:
        return Settings()  # type: ignore[call-arg]  # the fields come from YAML and the environment
    except (ValidationError, SettingsError) as error:
        print("\n".join(sentences(error, os.environ)), file=sys.stderr)
        raise SystemExit(ExitCode.USAGE) from None


settings = SettingsReader()


def secrets() -> Secrets:
    """Tokens from the environment, else from the secrets file; empty strings when neither has one."""
    return Secrets(_env_file=settings().secrets_file)  # type: ignore[call-arg]


def knob_variables() -> dict[str, str]:
    """The variables of the environment that change knobs, without secrets: what another process needs."""
    secret_names = {f"LUMBUNG_{name.upper()}" for name in Secrets.model_fields}
    return {
        name: value
        for name, value in os.environ.items()
        if name.startswith("LUMBUNG_") and name not in secret_names
    }


def take_knobs(variables: Mapping[str, str]) -> None:
    """Give this process, a worker of another one, the `knob_variables` of that one."""
    own = knob_variables()
    if own != variables:
        for name in own:
            del os.environ[name]
        os.environ.update(variables)
        settings.cache_clear()


def child_environment(**extra: str) -> dict[str, str]:
    """The environment for a child process: this one's, with `extra` on top."""
    return {**os.environ, **extra}


def refuse_remote(host: str, listener: str) -> None:
    """Exit 5 unless `host` is loopback or remote access is allowed: it is not protected against others."""
    if host not in LOOPBACK and not settings().api.allow_remote:
        print(
            f"{listener}: refusing to listen on {host}: without identities it listens on 127.0.0.1 only\n"
            "  remedy: put an authenticating TLS proxy in front, then set LUMBUNG_API__ALLOW_REMOTE=true",
            file=sys.stderr,
        )
        raise SystemExit(ExitCode.REFUSED)
