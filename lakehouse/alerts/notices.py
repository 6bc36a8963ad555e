"""What is sent about an alert, and when: one notice for each stage that it reaches."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lakehouse.reference import DEFAULT_TIMEZONE, commodities, province_timezone
from lakehouse.translation import Language

SUBJECTS: dict[str, dict[Language, str]] = {
    "active": {"en": "Alert ({level}): {what}", "id": "Peringatan ({level}): {what}"},
    "tier": {"en": "Alert still open ({level}): {what}", "id": "Peringatan belum selesai ({level}): {what}"},
    "cleared": {"en": "Alert over: {what}", "id": "Peringatan selesai: {what}"},
}
RESPOND_BY: dict[Language, str] = {"en": "Respond by {time}.", "id": "Tanggapi sebelum {time}."}
ESCALATED_TIERS = (2, 3)
PAGE = "/peringatan"  # of alerts; `?peringatan=` chooses one
DIGEST_SUBJECT: dict[Language, str] = {
    "en": "{count} alerts from before this first message",
    "id": "{count} peringatan dari sebelum pesan pertama ini",
}
DIGEST_REST: dict[Language, str] = {"en": "and {count} more", "id": "dan {count} lagi"}
DIGEST_LINES = 30


@dataclass(frozen=True)
class Notice:
    """A message about one stage of one alert. `is_urgent`: it is sent in quiet hours too.

    `page`: path of the web page that shows it; "" without one.
    """

    alert_id: str
    stage: str
    level: str
    subject: str
    body: str
    is_urgent: bool
    page: str = ""
    language: Language = "id"


def digest(
    notices: Sequence[Notice], alert_id: str = "digest", subjects: Mapping[Language, str] = DIGEST_SUBJECT
) -> Notice:
    """One message in place of several: their subjects, the urgent ones first."""
    ordered = sorted(notices, key=lambda notice: not notice.is_urgent)
    first = ordered[0]
    lines = [notice.subject for notice in ordered[:DIGEST_LINES]]
    if rest := len(ordered) - len(lines):
        lines.append(DIGEST_REST[first.language].format(count=rest))
    return replace(
        first,
        alert_id=alert_id,
        stage=first.alert_id,
        subject=subjects[first.language].format(count=len(ordered)),
        body="\n".join(lines),
        page=first.page.partition("?")[0],
    )


def notices(alerts: Iterable[Mapping[str, Any]], since: datetime, language: Language) -> Iterator[Notice]:
    """The notices of rows of gold.alerts whose stage was reached at or after `since`.

    An alert that corrected itself before it was active has none, a stale one no further ones.
    """
    for alert in alerts:
        reached = _stage(alert)
        if reached is not None and reached[1] >= since:
            yield _notice(alert, reached[0], language)


def _stage(alert: Mapping[str, Any]) -> tuple[str, datetime] | None:
    """The stage that the alert is in, and since when."""
    if alert["active_at"] is None:
        return None
    if alert["state"] == "cleared":
        return "cleared", alert["closed_at"]
    if alert["tier"] in ESCALATED_TIERS and alert["state"] == "active" and not alert["stale"]:
        return f"tier:{alert['tier']}", alert["updated_at"]
    if alert["rule"] == "manual":  # a repeat may say something else
        text = hashlib.sha256(f"{alert['level']}|{alert['message']}".encode()).hexdigest()[:8]
        return f"active:{text}", alert["updated_at"]
    return "active", alert["active_at"]


def _notice(alert: Mapping[str, Any], stage: str, language: Language) -> Notice:
    in_indonesian = language == "id"
    message = alert["message_indonesian" if in_indonesian else "message"]
    action = alert["action_indonesian" if in_indonesian else "action"]
    commodity = commodities().get(alert["commodity"] or "")
    source = alert["source_id"] or alert["market_id"] or ""
    what = [commodity.name if commodity else source, alert["region"] or ""]
    subject = SUBJECTS[stage.partition(":")[0]][language].format(
        level=alert["level"], what=", ".join(filter(None, what))
    )
    lines = [message]
    if stage != "cleared":
        lines += [line for line in (action, _limit(alert, language)) if line]
    return Notice(
        alert["alert_id"],
        stage,
        alert["level"],
        subject,
        "\n".join(lines),
        alert["level"] == "kritis" or alert["rule"] == "manual",
        f"{PAGE}?peringatan={alert['alert_id']}",
        language,
    )


def _limit(alert: Mapping[str, Any], language: Language) -> str | None:
    """Until when somebody is to act, in the time of the alert's province; None without a limit."""
    if alert.get("respond_by") is None:  # a lake from before the column has none
        return None
    zone = ZoneInfo(province_timezone(alert["region_code"]))
    return RESPOND_BY[language].format(time=f"{alert['respond_by'].astimezone(zone):%Y-%m-%d %H:%M %Z}")


def end_of_quiet(now: datetime, quiet_hours: str) -> datetime | None:
    """When the quiet hours end (`22:00-05:00`, Jakarta's time) that `now` lies in; None outside of them."""
    if not quiet_hours:
        return None
    begin, end = (time.fromisoformat(text) for text in quiet_hours.split("-"))
    local = now.astimezone(ZoneInfo(DEFAULT_TIMEZONE))
    clock = local.timetz().replace(tzinfo=None)
    is_quiet = begin <= clock < end if begin < end else clock >= begin or clock < end
    if not is_quiet:
        return None
    next_end = local.replace(hour=end.hour, minute=end.minute, second=0, microsecond=0)
    return next_end if next_end > local else next_end + timedelta(days=1)
