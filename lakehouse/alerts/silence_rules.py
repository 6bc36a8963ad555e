"""Alerts of silent sources: a device, a market, a polled source, or everything at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from lakehouse.alerts.lifecycle import tier
from lakehouse.alerts.messages import UNKNOWN_PLACE, Value, texts_of
from lakehouse.alerts.price_rules import rule_version
from lakehouse.alerts.rows import Row, active_since, alert_id
from lakehouse.reference import markets, provinces
from lakehouse.silence import TotalSilence, patience_of

ALL = "silent_all"
Devices = Mapping[str, tuple[str | None, str | None]]  # hash -> market and device


@dataclass(frozen=True)
class Resuming:
    """Something has reported at `at`, after everything had been silent.

    From then on each of the others has its patience once more. `stated`: ids of alerts that stay.
    """

    at: datetime
    stated: frozenset[str]

    def holds_back(self, alert: Row, series: Mapping[str, Any]) -> bool:
        """Whether the alert of a silent series, a row of gold.silent_series, waits for its patience."""
        if alert["alert_id"] in self.stated or series["since"] > self.at:
            return False
        return bool(series["clock"] <= self.at + patience_of(series))


def silence_alerts(
    silent: Iterable[Mapping[str, Any]],
    ended: Iterable[Mapping[str, Any]] = (),
    devices: Devices | None = None,
    resuming: Resuming | None = None,
) -> list[Row]:
    """Alerts of live sources: active at once, cleared when the source reports again.

    `silent`: rows of gold.silent_series; `ended`: of gold.silences. A silence that goes on is one alert.
    `devices`: market and name of each device, as far as they are known.
    """
    devices = devices or {}
    alerts = [_cleared_silence(silence, devices) for silence in ended]
    for series in silent:
        if series["silent"] and not series["replayed"] and series["since"] is not None:
            alert = _silence_alert(series, devices)
            if resuming is None or not resuming.holds_back(alert, series):
                alerts.append(alert | {"tier": _tier_after(series["since"], series["clock"])})
    return list({alert["alert_id"]: alert for alert in alerts}.values())


def _cleared_silence(silence: Mapping[str, Any], devices: Devices) -> Row:
    end = silence["ended_at"]
    cleared = {"state": "cleared", "updated_at": end, "closed_at": end}
    return _silence_alert(silence, devices) | cleared | {"tier": _tier_after(silence["since"], end)}


def _tier_after(since: datetime, now: datetime) -> int:
    return tier((now - since).days + 1)


def total_silence_alert(silence: TotalSilence) -> Row:
    """The alert that nothing reports any more."""
    texts: dict[str, Value] = {"since": silence.since, "series": str(silence.series)}
    return {
        "alert_id": alert_id(ALL, silence.since),
        "rule": ALL,
        "rule_version": rule_version(ALL, {}),
        "level": "kritis",
        "tier": 1,
        **texts_of(ALL, texts),
        **active_since(silence.reached_at),
    }


def collector_alerts(freshness: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Alerts of polled sources that are silent now, from rows of gold.collector_freshness."""
    return [
        _silence_alert(
            {
                "series_kind": "collector",
                "series_id": row["collector"],
                "region_code": None,
                "last_event_time": row["last_event_time"] or row["last_received_at"],
                "since": row["since"],
            },
            {},
        )
        | {"tier": _tier_after(row["since"], row["clock"])}
        for row in freshness
        if row["silent"]
    ]


def _silence_alert(series: Mapping[str, Any], devices: Devices) -> Row:
    kind = series["series_kind"]
    rule = f"silent_{kind}"
    of_market = (series["series_id"], None)
    market_id, device_id = of_market if kind == "market" else devices.get(series["series_id"], (None, None))
    market = markets().get(market_id or "")
    code = series["region_code"]
    place = provinces()[code].name if code in provinces() else None
    last = series["last_event_time"]
    source = market.name if market else market_id or series["series_id"]
    return {
        "alert_id": alert_id(rule, series["series_id"], last),
        "rule": rule,
        "rule_version": rule_version(rule, {}),
        "market_id": market_id,
        "source_id": None if kind == "market" else device_id or series["series_id"],
        "region_code": code,
        "region": place,
        "level": "info",
        **texts_of(rule, {"source": source, "place": place or UNKNOWN_PLACE, "since": last}),
        **active_since(series["since"]),
    }
