"""What is sent about an alert and when: stages, languages, quiet hours."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse.alerts.notices import end_of_quiet, notices

NOW = datetime(2024, 7, 1, tzinfo=UTC)


def stored(**more: Any) -> dict[str, Any]:
    return {
        "alert_id": "al-1",
        "rule": "price_level",
        "commodity": "bawang-merah",
        "market_id": None,
        "source_id": None,
        "region": "Jawa Barat",
        "level": "siaga",
        "state": "active",
        "tier": 1,
        "stale": False,
        "message": "it rises",
        "message_indonesian": "harga naik",
        "action": "check",
        "action_indonesian": "periksa",
        "opened_at": NOW,
        "active_at": NOW,
        "updated_at": NOW,
        "closed_at": None,
        **more,
    }


def stages(*alerts: dict[str, Any], since: datetime = NOW) -> list[str]:
    return [notice.stage for notice in notices(alerts, since, "en")]


def test_notice_names_a_device_and_not_only_its_market():
    device = stored(rule="silent_device", commodity=None, market_id="PASAR-001", source_id="DEV-7")
    (sent,) = notices([device], NOW, "en")
    assert sent.subject == "Alert (siaga): DEV-7, Jawa Barat"


def test_each_stage_is_sent_once_and_pending_ones_never():
    assert stages(stored(), stored(state="acknowledged")) == ["active", "active"]
    assert stages(stored(tier=2), stored(tier=3)) == ["tier:2", "tier:3"]
    assert stages(stored(tier=3, state="acknowledged"), stored(tier=3, stale=True)) == ["active", "active"]
    assert stages(stored(state="cleared", closed_at=NOW)) == ["cleared"]
    assert (
        stages(stored(state="pending", active_at=None), stored(state="self_corrected", active_at=None)) == []
    )


def test_open_alert_names_until_when_to_act_in_the_time_of_its_province():
    limited = [stored(region_code="81", respond_by=NOW), stored(region_code=None, respond_by=NOW)]
    assert [notice.body.splitlines()[-1] for notice in notices(limited, NOW, "en")] == [
        "Respond by 2024-07-01 09:00 WIT.",
        "Respond by 2024-07-01 07:00 WIB.",
    ]
    (cleared,) = notices([stored(state="cleared", closed_at=NOW, respond_by=NOW)], NOW, "id")
    assert cleared.body == "harga naik"


def test_old_changes_are_not_sent():
    assert stages(stored(), since=NOW + timedelta(seconds=1)) == []


def test_repeat_of_a_person_is_another_stage_only_with_another_text():
    first, same, other = stages(
        *(stored(rule="manual", message=text) for text in ("a b c", "a b c", "d e f"))
    )
    assert first == same != other


def test_text_names_level_commodity_place_and_action_in_the_language():
    (english,), (indonesian,) = (list(notices([stored()], NOW, language)) for language in ("en", "id"))
    assert english.subject == "Alert (siaga): Bawang Merah, Jawa Barat" and english.body == "it rises\ncheck"
    assert indonesian.subject == "Peringatan (siaga): Bawang Merah, Jawa Barat"
    assert indonesian.body == "harga naik\nperiksa"
    (cleared,) = notices([stored(state="cleared", closed_at=NOW)], NOW, "en")
    assert cleared.body == "it rises" and not cleared.is_urgent
    (critical,) = notices([stored(level="kritis")], NOW, "en")
    assert critical.is_urgent


@pytest.mark.parametrize(
    ("clock", "end"),
    [("14:59", None), ("15:00", "22:00"), ("21:59", "22:00"), ("22:00", None), ("18:00", "22:00")],
)
def test_quiet_hours_over_midnight_are_in_jakarta(clock: str, end: str | None):
    """22:00-05:00 in Jakarta is 15:00-22:00 UTC."""
    now = datetime.fromisoformat(f"2024-07-01T{clock}:00+00:00")
    quiet = end_of_quiet(now, "22:00-05:00")
    assert (quiet and quiet.astimezone(UTC).isoformat()) == (end and f"2024-07-01T{end}:00+00:00")
    assert end_of_quiet(now, "") is None
