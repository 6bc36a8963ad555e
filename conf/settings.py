"""The only reader of the environment: conf/lumbung.yml overridden by LUMBUNG_* variables."""

import os
import sys
from functools import cache
from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

from conf.knobs import (
    AlertKnobs,
    AnomalyKnobs,
    ApiKnobs,
    CvKnobs,
    ForecastKnobs,
    KafkaKnobs,
    LakeKnobs,
    LandingKnobs,
    MqttKnobs,
    StreamKnobs,
    TrainingKnobs,
    ValidationKnobs,
)

REPO = Path(__file__).resolve().parent.parent
MQTT_PORT, MQTTS_PORT = 1883, 8883
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class Secrets(BaseSettings):
    """One random bearer per role and the cursor key, written by `setup` with mode 0600. Never logged."""

    model_config = SettingsConfigDict(env_prefix="LUMBUNG_", extra="ignore")
    token_device: str = Field(default="", repr=False)
    token_operator: str = Field(default="", repr=False)
    token_central: str = Field(default="", repr=False)
    token_admin: str = Field(default="", repr=False)
    token_user: str = Field(default="", repr=False)
    cursor_key: str = Field(default="", repr=False)


class Settings(BaseSettings):
    """All knobs. Field meanings and units: conf/lumbung.yml."""

    model_config = SettingsConfigDict(
        env_prefix="LUMBUNG_", env_nested_delimiter="__", yaml_file=REPO / "conf" / "lumbung.yml", extra="ignore"
    )
    home: Path = REPO / "var"
    log_level: str
    kafka: KafkaKnobs
    api: ApiKnobs
    mqtt: MqttKnobs
    landing: LandingKnobs
    stream: StreamKnobs
    lake: LakeKnobs
    validation: ValidationKnobs
    alerts: AlertKnobs
    anomalies: AnomalyKnobs
    forecast: ForecastKnobs
    training: TrainingKnobs
    cv: CvKnobs
    # Names that callers already know, beside their LUMBUNG_ spelling.
    api_port_short: int | None = Field(default=None, validation_alias="API_PORT")
    log_level_short: str | None = Field(default=None, validation_alias="LOG_LEVEL")
    cors_origins_short: str | None = Field(default=None, validation_alias="CORS_ORIGINS")
    http_endpoint: str | None = Field(default=None, validation_alias="HTTP_ENDPOINT")
    mqtt_tls_cert: Path | None = Field(default=None, validation_alias="MQTT_TLS_CERT")
    mqtt_tls_key: Path | None = Field(default=None, validation_alias="MQTT_TLS_KEY")
    mlflow_tracking_uri: str | None = Field(default=None, validation_alias="MLFLOW_TRACKING_URI")
    failpoint: str | None = None  # name[:n] of a point where the process kills itself; tests only
    called_from: Path = Path()  # where the caller of run.sh stood: relative paths in arguments are meant from there
    shared: Path = REPO.parent / "shared"  # where the tests look for published data sets

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, YamlConfigSettingsSource(settings_cls)

    def model_post_init(self, context: object, /) -> None:
        self.home = self.home.resolve()
        if self.api_port_short:
            self.api.port = self.api_port_short
        if self.mqtt_tls_cert and self.mqtt.port == MQTT_PORT:
            self.mqtt.port = MQTTS_PORT
        if self.log_level_short:
            self.log_level = self.log_level_short
        if self.cors_origins_short:
            self.api.cors_origins = [origin.strip() for origin in self.cors_origins_short.split(",") if origin.strip()]

    @property
    def lake_root(self) -> str:
        """URL or absolute path of the folder that holds bronze/, silver/ and gold/."""
        return self.lake.root if "://" in self.lake.root else str(self.home / self.lake.root)

    @property
    def landing_dir(self) -> Path:
        return self.home / self.landing.dir

    @property
    def state_dir(self) -> Path:
        """Checkpoint, locks and the event-id index: state of the one stream, always on a local disk."""
        return self.home / "state"

    @property
    def log_dir(self) -> Path:
        return self.home / "log"

    @property
    def run_dir(self) -> Path:
        """Control socket, pid files and what `up` was started with; empty when nothing runs."""
        return self.home / "run"

    @property
    def secrets_file(self) -> Path:
        return self.home / "secrets.env"

    @property
    def mlflow_uri(self) -> str:
        """Where runs and registry are kept: MLFLOW_TRACKING_URI, else a SQLite file of this home."""
        return self.mlflow_tracking_uri or f"sqlite:///{self.mlflow_dir / 'mlflow.db'}"

    @property
    def mlflow_dir(self) -> Path:
        """Runs and artifacts, unless a server keeps them."""
        return self.home / "mlflow"

    @property
    def ingest_url(self) -> str:
        return self.http_endpoint or f"http://127.0.0.1:{self.api.port}/ingest"


@cache
def settings() -> Settings:
    """The settings of this process, read once."""
    return Settings()  # type: ignore[call-arg]  # the fields come from YAML and the environment


def secrets() -> Secrets:
    """Tokens from the environment, else from the secrets file; empty strings when neither has them."""
    return Secrets(_env_file=settings().secrets_file)  # type: ignore[call-arg]


def child_environment(**extra: str) -> dict[str, str]:
    """The environment for a child process: this one's, with `extra` on top."""
    return {**os.environ, **extra}


def refuse_remote(host: str, door: str) -> None:
    """Exit 5 unless `host` is loopback: no door is open to others before people and devices have identities."""
    if host not in LOOPBACK and not settings().api.allow_remote:
        print(
            f"{door}: refusing to listen on {host}: before identities exist a door opens on 127.0.0.1 only. "
            "Put an authenticating TLS proxy in front and set LUMBUNG_API__ALLOW_REMOTE=true if you know why.",
            file=sys.stderr,
        )
        raise SystemExit(5)
