"""Types and bounds of the knobs. Their meanings, units and reasons are in conf/lumbung.yml."""

import re
from datetime import time
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, Field, HttpUrl, IPvAnyNetwork, SecretStr

LARGEST_PORT = 65535
PortNumber = Annotated[int, Field(ge=1, le=LARGEST_PORT)]


def _servers(text: str) -> str:
    """The text itself. Raises ValueError unless it is host:port[,host:port]."""
    for server in text.split(","):
        host, _, port = server.rpartition(":")
        if not host or not port.isdecimal() or not 1 <= int(port) <= LARGEST_PORT:
            raise ValueError(f"must be host:port[,host:port], with ports from 1 to {LARGEST_PORT}")
    return text


class KafkaKnobs(BaseModel):
    bootstrap: Annotated[str, AfterValidator(_servers)]
    embedded: bool
    controller_port: PortNumber
    replication_factor: int = Field(ge=1)
    partitions: int = Field(ge=1)
    retention_hours: int
    heap_mb: int
    flush_before_acknowledge: bool
    acknowledge_timeout_seconds: float
    legacy_topics: list[str]
    batch_size: int = Field(ge=1)


class ApiKnobs(BaseModel):
    host: str
    port: PortNumber
    split_ports: bool
    ai_port: PortNumber
    admin_port: PortNumber
    allow_remote: bool
    public_url: Annotated[str, Field(pattern=r"^(https?://[^\s/?#]+/?)?$")]
    cors_origins: list[str]
    embed_origins: list[Annotated[str, Field(pattern=r"^https?://[a-z0-9.-]+(:[0-9]{1,5})?$")]]
    max_connections: int = Field(ge=1)
    max_websockets: int = Field(ge=1)
    request_seconds: float = Field(gt=0)
    keep_alive_seconds: int = Field(ge=1)
    event_max_bytes: int
    batch_max_bytes: int
    batch_max_events: int
    cursor_ttl_seconds: int
    refresh_milliseconds: int
    idempotency_ttl_seconds: int
    idempotency_keys: int = Field(ge=1)
    idempotency_bytes: int = Field(ge=8388608)
    idempotency_all_bytes: int = Field(ge=8388608)
    trace_events: int = Field(ge=1)


class IdentityKnobs(BaseModel):
    static_tokens: bool
    verify_email: bool
    access_minutes: int = Field(ge=1, le=60)
    refresh_days: int = Field(ge=1, le=90)
    link_minutes: int = Field(ge=1)
    rights_seconds: float = Field(ge=0, le=5)
    free_failures: int = Field(ge=1)
    back_off_seconds: int = Field(ge=1)
    longest_back_off_seconds: int = Field(ge=1)


class LimitKnobs(BaseModel):
    enforced: bool
    anonymous_per_minute: int = Field(ge=1)
    signed_in_per_minute: int = Field(ge=1)
    device_per_second: int = Field(ge=1)
    device_burst: int = Field(ge=1)
    expensive_per_minute: int = Field(ge=1)
    sign_in_per_account: int = Field(ge=1)
    sign_in_per_address: int = Field(ge=1)
    registrations_per_hour: int = Field(ge=1)
    websockets_per_address: int = Field(ge=1)
    manual_alerts_per_hour: int = Field(ge=1)
    callers: int = Field(ge=100)
    trusted_proxies: list[IPvAnyNetwork]


class MqttKnobs(BaseModel):
    host: str
    port: PortNumber
    public_host: str
    anonymous: bool
    broker_url: Annotated[str, Field(pattern=r"^(mqtts?://[^\s/]+)?$")]
    max_connections: int = Field(ge=1)
    idle_seconds: float = Field(gt=0)
    unacknowledged_bytes: int = Field(ge=131072)
    messages_per_second: float
    burst: int
    listed_refusals_per_hour: int = Field(ge=1)


class LandingKnobs(BaseModel):
    dir: Path
    settle_seconds: float
    watch_done_seconds: float = Field(ge=0)


class StreamKnobs(BaseModel):
    engine: Literal["spark", "embedded"]
    trigger_milliseconds: int
    max_events_per_batch: int
    driver_memory_mb: int
    master: str
    spark: dict[str, str]
    incremental_gold_seconds: float
    background_gold_seconds: float = Field(gt=0)

    @property
    def on_cluster(self) -> bool:
        """Whether tasks run on other machines than this one."""
        return self.engine == "spark" and not self.master.startswith("local")


class LakeKnobs(BaseModel):
    root: str
    shared_path: bool
    providers: list[str]
    flush_batches: bool
    live_readings_per_market: int = Field(ge=1)
    live_readings: int = Field(ge=1)
    compact_after_commits: int = Field(ge=2)
    compact_target_bytes: int = Field(ge=1)
    vacuum_minutes: int = Field(ge=1)
    query_memory_mb: int = Field(ge=16)


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
    step_share: float = Field(ge=0, le=1)
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
    shock_days: int = Field(ge=1, le=28)
    thin_coverage: float = Field(ge=0, le=1)
    thin_heaping: float = Field(ge=1)
    thin_limit: float = Field(ge=1)
    level_days: int = Field(ge=2, le=14)


class RetailKnobs(BaseModel):
    price_min: float
    price_max: float
    rating_min: float
    rating_max: float
    supply_alert_days: float = Field(gt=0)


class SupplyKnobs(BaseModel):
    red_days: float = Field(gt=0)
    amber_days: float = Field(gt=0)
    perishable_days: float = Field(gt=0)
    durable_days: float = Field(gt=0)
    deficit_days: float = Field(gt=0)
    surplus_days: float = Field(gt=0)
    filled_days: float = Field(gt=0)
    kept_days: float = Field(ge=0)
    neighbour_km: float = Field(gt=0)
    residual_warn_pct: float = Field(gt=0)
    residual_error_pct: float = Field(gt=0)
    news_days: int = Field(ge=1)


class WebHook(BaseModel):
    url: HttpUrl
    secret: SecretStr = Field(min_length=16)


def _quiet_hours(text: str) -> str:
    """The text itself. Raises ValueError unless it is empty or HH:MM-HH:MM."""
    if text:
        begin, _, end = text.partition("-")
        if time.fromisoformat(begin) == time.fromisoformat(end):
            raise ValueError("must begin and end at different times")
    return text


class AlertKnobs(BaseModel):
    threshold: float = Field(ge=0, le=100)
    levels: dict[str, float]
    market_jump_pct: float = Field(gt=0)
    language: Literal["en", "id"]
    telegram_url: str
    telegram_chats: list[str]
    whatsapp_url: str
    whatsapp_sender: str
    whatsapp_recipients: list[str]
    mail_to: list[str]
    webhooks: list[WebHook]
    webhook_failures: int = Field(ge=1)
    quiet_hours: Annotated[str, AfterValidator(_quiet_hours)]
    messages_per_minute: int = Field(ge=1)
    retry_seconds: float = Field(gt=0)
    send_seconds: float = Field(gt=0)
    newest_hours: float = Field(gt=0)
    heartbeat_url: str


class TradingKnobs(BaseModel):
    initial_balance: float = Field(gt=0, le=1_000_000_000)
    max_position_size_pct: float = Field(gt=0, le=100)
    max_daily_loss_pct: float = Field(gt=0, le=100)
    min_confidence: float = Field(ge=0, le=1)
    max_daily_trades: int = Field(ge=0)
    max_losing_trades: int = Field(ge=0)
    symbol_lock_bars: int = Field(ge=0)
    day_hours: int = Field(ge=-12, le=14)
    ws_interval_seconds: float = Field(ge=0.5)


class IndicatorKnobs(BaseModel):
    ma: tuple[Annotated[int, Field(ge=2, le=250)], Annotated[int, Field(ge=2, le=250)]]


def _address(text: str) -> str:
    """The text itself. Raises ValueError unless it is empty or an address of HTTP or a WebSocket."""
    if text and not re.fullmatch(r"(https?|wss?)://[^\s/?#]+[^\s?#]*", text):
        raise ValueError("must be empty or an address such as https://host/path, without ? and #")
    return text


Address = Annotated[str, AfterValidator(_address)]


class CollectorKnobs(BaseModel):
    panel_harga_url: Address
    bmkg_url: Address
    bps_url: Address
    bps_variables: dict[str, Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,40}$")]]
    market_url: Address
    market_stream_url: Address
    market_symbols: list[Annotated[str, Field(pattern=r"^[A-Z0-9]{2,32}$")]] = Field(min_length=1)
    market_interval: Literal["1m", "5m", "15m", "1d"]
    news_feeds: list[HttpUrl]
    newsapi_url: Address
    news_query: str
    reddit_url: Address
    reddit_sign_in_url: Address
    subreddits: list[Annotated[str, Field(pattern=r"^\w{2,32}$")]]
    x_url: Address
    social_query: str
    addresses: dict[str, Address]
    every_minutes: dict[str, Annotated[float, Field(gt=0)]]
    requests_per_minute: dict[str, Annotated[float, Field(gt=0)]]
    recordings: dict[str, Path]
    record: bool
    request_seconds: float = Field(gt=0)
    answer_max_bytes: int = Field(ge=1)
    attempts: int = Field(ge=1)
    retry_seconds: float = Field(gt=0)
    longest_wait_seconds: float = Field(gt=0)


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
    models: list[str]
    quick_models: list[str]
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
