"""The only reader of the environment: conf/lumbung.yml overridden by LUMBUNG_* variables."""

import os
import sys
from datetime import time
from functools import cache
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, YamlConfigSettingsSource

REPO = Path(__file__).resolve().parent.parent
MQTT_PORT, MQTTS_PORT = 1883, 8883
LOOPBACK = {"127.0.0.1", "localhost", "::1"}


class KafkaKnobs(BaseModel):
    bootstrap: str
    embedded: bool
    controller_port: int
    partitions: int = Field(ge=1)
    retention_hours: int
    heap_mb: int
    acknowledge_timeout_seconds: float
    legacy_topics: list[str]


class ApiKnobs(BaseModel):
    host: str
    port: int
    allow_remote: bool
    cors_origins: list[str]
    event_max_bytes: int
    batch_max_bytes: int
    batch_max_events: int
    cursor_ttl_seconds: int
    refresh_milliseconds: int
    idempotency_ttl_seconds: int
    idempotency_keys: int = Field(ge=1)
    trace_events: int = Field(ge=1)


class MqttKnobs(BaseModel):
    host: str
    port: int
    max_connections: int
    messages_per_second: float
    burst: int


class LandingKnobs(BaseModel):
    dir: Path
    settle_seconds: float


class StreamKnobs(BaseModel):
    trigger_milliseconds: int
    max_events_per_batch: int
    driver_memory_mb: int
    master: str
    slow_trigger_seconds: float
    heavy_trigger_seconds: float = Field(gt=0)
    small_batch_events: int
    compact_after_commits: int
    compact_target_bytes: int
    vacuum_minutes: int


class LakeKnobs(BaseModel):
    root: str


class ValidationKnobs(BaseModel):
    future_tolerance_minutes: int
    max_age_days: int
    allowed_lateness_days: int = Field(ge=0)
    policy: Literal["calibrated", "seed"]
    warmup_observations: int = Field(ge=2)
    min_peers: int = Field(ge=2)
    zscore: float = Field(gt=0)
    iqr: float = Field(gt=0)
    deviation: float = Field(gt=0)
    hampel: float = Field(gt=0)
    min_votes: int = Field(ge=1, le=3)
    forest: float = Field(gt=0, lt=1)
    residual: float = Field(gt=0)
    geographic: float = Field(gt=0)
    confirmation: float = Field(ge=0, le=1)
    soft: float = Field(gt=0, le=1)
    unit_tolerance: float = Field(gt=0)
    national_gap: float = Field(gt=0)
    range_factor: float = Field(gt=1)
    stale_days: int
    source_tolerance: dict[str, float]
    source_pairs: int
    source_age_days: int
    shock_share: float = Field(gt=0, le=1)
    shock_part: float = Field(gt=0, le=1)
    retail_price_min: float
    retail_price_max: float
    retail_rating_min: float
    retail_rating_max: float


class AlertKnobs(BaseModel):
    levels: dict[str, float]


class AnomalyKnobs(BaseModel):
    residual: float = Field(gt=0)
    geographic: float = Field(gt=0)
    days: int = Field(ge=30)
    history_days: int = Field(ge=180)


class ForecastKnobs(BaseModel):
    horizon_days: int = Field(ge=1, le=30)
    cut_local_time: time
    publishing_lag_days: int = Field(ge=0)


class TrainingKnobs(BaseModel):
    models: list[str] = Field(min_length=1)
    quick_models: list[str] = Field(min_length=1)
    seed: int
    processes: int = Field(ge=1)
    spark_master: str
    niceness: int = Field(ge=0, le=19)
    watch_seconds: float = Field(gt=0)
    new_days: int = Field(ge=1)
    new_listings: int = Field(ge=1)
    issue_minutes: float = Field(ge=0)
    retry_minutes: float = Field(gt=0)
    drift_psi: float = Field(gt=0)
    drift_coverage: tuple[float, float]
    drift_looks: int = Field(ge=1)


class CvKnobs(BaseModel):
    folds: int = Field(ge=2)


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
