"""Messages to one person: when a condition holds, and what is said."""

from datetime import UTC, datetime

import pytest

from lakehouse.alerts.personal import SymbolState, digest_ends, is_met, reaches, symbol_message

AT = datetime(2026, 11, 21, 1, tzinfo=UTC)
STATE = SymbolState(100.0, AT, "BUY", AT)
ALERT = {"alert_id": "a1", "owner": "p1", "symbol": "BTCUSDT", "value": None, "signal": None}


@pytest.mark.parametrize(
    ("condition", "value", "signal", "met"),
    [
        ("above", 99.9, None, True),
        ("above", 100.0, None, False),
        ("below", 100.0, None, False),
        ("below", 100.1, None, True),
        ("signal", None, "BUY", True),
        ("signal", None, "SELL", False),
    ],
)
def test_condition_holds_strictly_beyond_its_value(
    condition: str, value: float | None, signal: str | None, met: bool
):
    alert = ALERT | {"condition": condition, "value": value, "signal": signal}
    assert is_met(alert, STATE) is met
    assert is_met(alert, SymbolState()) is None


def test_message_is_in_the_language_of_its_reader_and_has_one_id_for_one_cause():
    alert = ALERT | {"condition": "above", "value": 99.5}
    english, indonesian = (symbol_message(alert, STATE, language) for language in ("en", "id"))
    assert english.body == "BTCUSDT costs 100, above 99.5, at 2026-11-21T01:00:00Z."
    assert indonesian.subject == "BTCUSDT di atas 99.5"
    assert english.alert_id == indonesian.alert_id
    later = SymbolState(101.0, AT.replace(hour=2))
    assert symbol_message(alert, later, "en").alert_id != english.alert_id


def test_silent_source_reaches_no_level_and_a_higher_level_reaches_a_lower_one():
    assert [reaches(level, "siaga") for level in ("info", "naik", "waspada", "siaga", "kritis")] == [
        False,
        False,
        False,
        True,
        True,
    ]


@pytest.mark.parametrize(
    ("now", "daily", "weekly"),  # 00:00 UTC is 07:00 in Jakarta; 23 November 2026 is a Monday
    [
        ("2026-11-22T23:59", "2026-11-22T00:00", "2026-11-16T00:00"),
        ("2026-11-23T00:00", "2026-11-23T00:00", "2026-11-23T00:00"),
        ("2026-11-24T13:00", "2026-11-24T00:00", "2026-11-23T00:00"),
        ("2027-01-01T00:30", "2027-01-01T00:00", "2026-12-28T00:00"),
    ],
)
def test_digest_ends_in_the_morning_of_jakarta_and_of_a_week_on_monday(now: str, daily: str, weekly: str):
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    ends = {name: f"{end.astimezone(UTC):%Y-%m-%dT%H:%M}" for name, end in digest_ends(at).items()}
    assert ends == {"none": now, "daily": daily, "weekly": weekly}
