"""What the last rounds were made from, and which round is due: small files and one column of gold.daily_prices, no models."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pyarrow.compute as pc
from deltalake import DeltaTable

from conf.settings import settings
from ml.tables import fingerprint, is_there, path_of

SOURCE, LISTINGS = "gold.daily_prices", "silver.listings"
# Knobs of training that say when and where, not what: no model changes with them.
IDLE = {"processes", "spark_master", "niceness", "watch_seconds", "new_days", "new_listings", "issue_minutes", "retry_minutes"}
IDLE |= {"drift_psi", "drift_coverage", "drift_looks"}
CUT_ZONE = ZoneInfo("Asia/Jakarta")


@dataclass(frozen=True)
class Prices:
    """gold.daily_prices as the trainer watches it."""

    version: int
    days: int  # distinct market days with a retail price
    last_day: date  # newest of them whose cut has passed
    rows: int  # of those days


def prices(now: datetime) -> Prices | None:
    """What stands there; None while there is no retail price of a day that counts as known at `now`."""
    if not is_there(SOURCE):
        return None
    table = DeltaTable(path_of(SOURCE))
    column = table.to_pyarrow_dataset().to_table(columns=["market_date"], filter=pc.field("channel") == "retail")["market_date"]
    counted = pc.value_counts(column)
    known = {row["values"]: row["counts"] for row in counted.to_pylist() if row["values"] <= last_known_day(now)}
    return Prices(table.version(), len(known), max(known), sum(known.values())) if known else None


def last_known_day(now: datetime) -> date:
    """The newest market day that counts as known: today from the knob forecast.cut_local_time on, else yesterday."""
    local = now.astimezone(CUT_ZONE)
    return local.date() if local.time() >= settings().forecast.cut_local_time else local.date() - timedelta(days=1)


def folder() -> Path:
    """State of training: notes of the last rounds, answers of interrupted backtests."""
    place = settings().state_dir / "training"
    place.mkdir(parents=True, exist_ok=True)
    return place


def noted(what: str) -> dict[str, Any]:
    """The note of the last round of a sort (price, issue, sales); empty before the first."""
    file = folder() / f"{what}.json"
    found: dict[str, Any] = json.loads(file.read_bytes()) if file.exists() else {}
    return found


def note(what: str, **said: Any) -> None:
    """Replace the note, in one step, with the time of writing."""
    file = folder() / f"{what}.json"
    fresh = file.with_suffix(".tmp")
    fresh.write_text(json.dumps({**said, "at": datetime.now(UTC).isoformat()}))
    fresh.replace(file)


def config() -> str:
    """Fingerprint of the knobs that a round depends on."""
    knobs = settings().training.model_dump(exclude=IDLE) | settings().forecast.model_dump()
    return f"{fingerprint(json.dumps(knobs, sort_keys=True, default=str)):016x}"


def training_due(stands: Prices) -> str | None:
    """Why models should be trained again; None when nothing speaks for it."""
    last = noted("price")
    if not last:
        return "no model was judged yet"
    if last["config"] != config():
        return "models or knobs have changed"
    fresh = abs(stands.days - last["days"])
    if fresh >= settings().training.new_days:
        return f"{fresh} newly observed market days"
    if noted("drift").get("drifting"):
        return "prices drift away from the law that forecasts were judged by"
    return None


def listings() -> int:
    """Rows of silver.listings, without reading them."""
    if not is_there(LISTINGS):
        return 0
    counts = pa.table(DeltaTable(path_of(LISTINGS)).get_add_actions(flatten=True))["num_records"]
    return int(pc.sum(counts).as_py() or 0)


def sales_due() -> str | None:
    """Why the sales model should be trained again; None when too few listings are new since the last round that saw them."""
    fresh = abs(listings() - noted("listings").get("rows", 0))
    return f"{fresh} new states of products" if fresh >= settings().training.new_listings else None


def resting(kind: str, now: datetime) -> bool:
    """Whether a round of prices or sales has failed so recently that another one would fail alike."""
    last = noted(f"failure-{kind}")
    return bool(last) and now - datetime.fromisoformat(last["at"]) < timedelta(minutes=settings().training.retry_minutes)


def recovered(kind: str) -> None:
    """A round has ended well."""
    (folder() / f"failure-{kind}.json").unlink(missing_ok=True)


def drift_answered() -> None:
    """Looks begin anew after a training."""
    if noted("drift"):
        note("drift", **{**{k: v for k, v in noted("drift").items() if k != "at"}, "drifting": False, "against": 0})


def issue_due(stands: Prices, now: datetime) -> str | None:
    """Why forecasts should be issued anew; None when the last issue still stands for what is known."""
    last = noted("issue")
    if not last:
        return "no forecast was issued yet"
    if date.fromisoformat(last["last_day"]) != stands.last_day:
        return f"prices of {stands.last_day} are known"
    old = now - datetime.fromisoformat(last["at"]) > timedelta(minutes=settings().training.issue_minutes)
    return "prices were corrected or added" if old and last["version"] != stands.version else None
