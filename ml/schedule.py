"""When a training round is due, from the notes of the last rounds and one column of gold.daily_prices."""

import json
import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc

from conf.runtime.status_files import read_json, write_json, write_status
from conf.settings import settings
from lakehouse.io.delta import inputs_fingerprint, open_if_exists, read_columns
from lakehouse.io.process_status import TRAINING_FAULTS, status_file, training_faults
from lakehouse.times import utc_text

log = logging.getLogger("lumbung.training")
DAILY_PRICES = "gold.daily_prices"
LISTINGS = "silver.listings"
BARS = "silver.bars"
FIRST_LOOK = "first_look"  # note of the quick round that precedes the first whole one
FIRST_SALES = "first_sales"  # the same of the sales model
LEAST_LISTINGS = 100  # of a shop, for a sales model
NEW_SHARE = 0.1  # of the listings at the last round
# Knobs of training that say when and where a round runs. No model changes with them.
SCHEDULE_KNOBS = {
    "processes",
    "spark_master",
    "niceness",
    "watch_seconds",
    "new_days",
    "new_listings",
    "issue_minutes",
    "retry_minutes",
    "drift_psi",
    "drift_coverage",
    "drift_looks",
}
CUT_ZONE = ZoneInfo("Asia/Jakarta")


@dataclass(frozen=True)
class PriceState:
    """gold.daily_prices as the trainer sees it."""

    version: int
    days: int  # distinct market days with a retail price
    last_day: date  # the newest of them whose cut has passed
    rows: int  # of those days


def price_state(now: datetime) -> PriceState | None:
    """The current state; None while there is no retail price of a day that counts as known at `now`."""
    table = open_if_exists(DAILY_PRICES)
    if table is None:
        return None
    column = table.to_pyarrow_dataset().to_table(
        columns=["market_date"], filter=pc.field("channel") == "retail"
    )["market_date"]
    last_known = last_known_day(now)
    rows_by_day = {
        entry["values"]: entry["counts"]
        for entry in pc.value_counts(column).to_pylist()
        if entry["values"] <= last_known
    }
    if not rows_by_day:
        return None
    return PriceState(table.version(), len(rows_by_day), max(rows_by_day), sum(rows_by_day.values()))


def last_known_day(now: datetime) -> date:
    """The newest known market day: today from the knob forecast.cut_local_time on, else yesterday."""
    local = now.astimezone(CUT_ZONE)
    if local.time() >= settings().forecast.cut_local_time:
        return local.date()
    return local.date() - timedelta(days=1)


def state_folder() -> Path:
    """Folder of the notes of the last rounds and of the forecasts of interrupted backtests."""
    folder = settings().state_dir / "training"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def read_note(kind: str) -> dict[str, Any]:
    """The note of the last round of a kind (price, issue, sales, ...); empty before the first."""
    note: dict[str, Any] | None = read_json(_note_file(kind))
    return note or {}


def write_note(kind: str, **content: Any) -> None:
    """Replace the note of a kind; `at`, the time of writing, is added."""
    write_json(_note_file(kind), {**content, "at": utc_text(datetime.now(UTC))})


def _note_file(kind: str) -> Path:
    return state_folder() / f"{kind}.json"


def knobs_fingerprint() -> str:
    """16 hex digits that change with every knob that a model depends on."""
    knobs = settings().training.model_dump(exclude=SCHEDULE_KNOBS) | settings().forecast.model_dump()
    return f"{inputs_fingerprint(json.dumps(knobs, sort_keys=True, default=str)):016x}"


def training_due(prices: PriceState) -> str | None:
    """Why models should be trained again; None when they need not."""
    last = read_note("price")
    if not last:
        return "no model has been evaluated yet"
    if last["config"] != knobs_fingerprint():
        return "models or knobs have changed"
    new_days = abs(prices.days - last["days"])
    if new_days >= settings().training.new_days:
        return f"{new_days} newly observed market days"
    if read_note("drift").get("drifting"):
        return "prices have drifted from the distribution that the intervals were calibrated on"
    return None


def first_look_due() -> bool:
    """Whether neither a whole round nor a quick one before it was ever started in this home."""
    return not (read_note("price") or read_note(FIRST_LOOK))


def listing_count() -> int:
    """Rows of silver.listings, counted in the table's log."""
    table = open_if_exists(LISTINGS)
    if table is None:
        return 0
    counts = pa.table(table.get_add_actions(flatten=True))["num_records"]
    return int(pc.sum(counts).as_py() or 0)


def sales_due() -> str | None:
    """Why the sales model should be trained again; None when too few listings are new.

    A first model, and one from a small shop, does not wait for training.new_listings: a tenth more is enough
    once no more arrive, so that their number is the same in two looks.
    """
    rows = listing_count()
    note = read_note("listings")
    trained = note.get("rows", 0)
    new_rows = abs(rows - trained)
    reason = f"{new_rows} new product states"
    if new_rows >= settings().training.new_listings:
        return reason
    if rows < LEAST_LISTINGS or not new_rows or new_rows < NEW_SHARE * trained:
        return None
    if note.get("seen") == rows:
        return reason
    write_note("listings", rows=trained, seen=rows)
    return None


def is_first_sales() -> bool:
    """Whether neither a whole round of sales nor a quick one before it was ever started in this home."""
    return not (read_note("sales") or read_note(FIRST_SALES))


def signal_due(now: datetime) -> str | None:
    """Why closes should be forecast again; None without a new day or symbol of daily bars.

    A new version is looked at once in training.issue_minutes: minute bars write one every few seconds.
    """
    table = open_if_exists(BARS)
    note = read_note("bars")
    if table is None or note.get("version") == table.version():
        return None
    pause = timedelta(minutes=settings().training.issue_minutes)
    if "looked_at" in note and datetime.fromisoformat(note["looked_at"]) + pause > now:
        return None
    bars = daily_bars()
    if bars and bars != read_note("signal").get("bars"):
        return f"daily bars of {bars['symbols']} symbols up to {bars['last_day']}"
    looked = {"looked_at": utc_text(now)} if table.count() else {}  # an empty table costs nothing
    write_note("bars", version=table.version(), **looked)
    return None


def daily_bars() -> dict[str, Any] | None:
    """Of daily bars the newest day (`last_day`, ISO 8601) and the number of `symbols`; None without any."""
    rows = read_columns(BARS, ["bar_date", "symbol"], pc.field("interval") == "1d")
    if not rows:
        return None
    last_day = pc.max(rows["bar_date"]).as_py()
    return {"last_day": last_day.isoformat(), "symbols": pc.count_distinct(rows["symbol"]).as_py()}


def waits_after_failure(kind: str, now: datetime) -> bool:
    """Whether the last round of this kind failed less than training.retry_minutes ago."""
    failure = read_note(f"failure-{kind}")
    pause = timedelta(minutes=settings().training.retry_minutes)
    return bool(failure) and now - datetime.fromisoformat(failure["at"]) < pause


def note_failure(kind: str) -> None:
    """Note that a round of this kind has failed now, and count it."""
    write_note(f"failure-{kind}")
    _count(failed_rounds=1, open=[*training_faults()["open"], kind])


def note_dead_worker() -> None:
    """Count a worker process that died; /health is degraded until a round succeeds."""
    log.warning("a worker process of training died; its blocks are computed again in a new pool")
    _count(dead_workers=1, open=[*training_faults()["open"], "worker"])


def clear_failure(kind: str) -> None:
    """Forget the failure: a round of this kind has succeeded."""
    _note_file(f"failure-{kind}").unlink(missing_ok=True)
    if training_faults()["open"]:
        _count(open=[fault for fault in training_faults()["open"] if fault not in (kind, "worker")])


def _count(open: list[str], failed_rounds: int = 0, dead_workers: int = 0) -> None:
    """Add to the counts that /metrics shows, and set what is not made good yet."""
    faults = training_faults()
    faults["failed_rounds"] += failed_rounds
    faults["dead_workers"] += dead_workers
    write_status(status_file(TRAINING_FAULTS), {**faults, "open": sorted(set(open))})


def reset_drift() -> None:
    """Start counting drift from zero: models were just trained."""
    drift = read_note("drift")
    if drift:
        del drift["at"]
        write_note("drift", **{**drift, "drifting": False, "against": 0})


def issue_due(prices: PriceState, now: datetime) -> str | None:
    """Why forecasts should be issued again; None when the last issue covers what is known."""
    last = read_note("issue")
    if not last:
        return "no forecast was issued yet"
    if date.fromisoformat(last["last_day"]) != prices.last_day:
        return f"prices of {prices.last_day} are known"
    pause = timedelta(minutes=settings().training.issue_minutes)
    pause_is_over = now - datetime.fromisoformat(last["at"]) > pause
    return "prices were corrected or added" if pause_is_over and last["version"] != prices.version else None
