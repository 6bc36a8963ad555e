"""Messages to one person: a condition on a symbol that came true, an alert about a followed commodity."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from lakehouse.alerts.notices import Notice, digest
from lakehouse.reference import DEFAULT_TIMEZONE
from lakehouse.times import utc_text
from lakehouse.translation import Language

LEVELS = ("naik", "waspada", "siaga", "kritis")  # lowest first
URGENT = "kritis"
DIGEST_AT = time(7)  # of Jakarta; of a week on Mondays
DIGEST_SUBJECTS: dict[str, dict[Language, str]] = {
    "none": {"en": "Messages so far: {count}", "id": "Pesan sampai sekarang: {count}"},
    "daily": {"en": "Messages of the day: {count}", "id": "Pesan hari ini: {count}"},
    "weekly": {"en": "Messages of the week: {count}", "id": "Pesan minggu ini: {count}"},
}
CONDITIONS: dict[str, dict[Language, str]] = {
    "above": {"en": "above", "id": "di atas"},
    "below": {"en": "below", "id": "di bawah"},
}
PRICE_BODY: dict[Language, str] = {
    "en": "{symbol} costs {price:g}, {condition} {value:g}, at {time}.",
    "id": "Harga {symbol} {price:g}, {condition} {value:g}, pada {time}.",
}
SIGNAL_BODY: dict[Language, str] = {
    "en": "The signal of {symbol} is {signal} since {time}. It is computed, and no advice.",
    "id": "Sinyal {symbol} adalah {signal} sejak {time}. Ini hasil hitungan, bukan saran.",
}
SYMBOL_PAGE = "/trades"
CODE_LEVEL = "code"
CODE_TITLE = "Lumbung: {code}"
CODE_BODY: dict[Language, str] = {
    "en": "Enter this code within {minutes} minutes to get messages here. Who did not ask for it ignores it.",
    "id": "Masukkan kode ini dalam {minutes} menit agar pesan dikirim ke sini. Abaikan bila tidak meminta.",
}


@dataclass(frozen=True)
class SymbolState:
    """The newest bar of a symbol and its newest signal; None while there is none."""

    price: float | None = None
    bar_time: datetime | None = None
    signal: str | None = None
    signal_time: datetime | None = None


@dataclass(frozen=True)
class PersonalMessage(Notice):
    """A notice to `owner`. Its `alert_id` follows from its cause: a repetition has the same one.

    `level`: its kind, which is price, signal or commodity. `is_urgent`: it waits neither for the end of quiet
    hours nor for a digest.
    """

    stage: str = field(default="personal", kw_only=True)
    is_urgent: bool = False
    owner: str = field(kw_only=True)


def is_met(alert: Mapping[str, Any], state: SymbolState) -> bool | None:
    """Whether the condition holds; None while nothing is known of the symbol."""
    if alert["condition"] == "signal":
        return None if state.signal is None else bool(state.signal == alert["signal"])
    if state.price is None:
        return None
    above = alert["condition"] == "above"
    return bool(state.price > alert["value"] if above else state.price < alert["value"])


def symbol_message(alert: Mapping[str, Any], state: SymbolState, language: Language) -> PersonalMessage:
    """The message that an alert on a symbol has come true."""
    symbol = alert["symbol"]
    if alert["condition"] == "signal":
        time = state.signal_time
        title = f"{symbol}: {alert['signal']}"
        body = SIGNAL_BODY[language].format(symbol=symbol, signal=alert["signal"], time=_text(time))
    else:
        time = state.bar_time
        condition = CONDITIONS[alert["condition"]][language]
        title = f"{symbol} {condition} {alert['value']:g}"
        values = {"symbol": symbol, "condition": condition, "value": alert["value"], "price": state.price}
        body = PRICE_BODY[language].format(**values, time=_text(time))
    kind = "signal" if alert["condition"] == "signal" else "price"
    cause = f"{alert['alert_id']}|{_text(time)}"
    page = f"{SYMBOL_PAGE}?simbol={symbol}"
    owner = alert["owner"]
    return PersonalMessage(
        message_id(owner, cause), kind, title, body, page=page, language=language, owner=owner
    )


def commodity_message(notice: Notice, owner: str) -> PersonalMessage:
    """The message to a person who follows the commodity of an alert."""
    cause = f"{notice.alert_id}|{notice.stage}"
    return PersonalMessage(
        message_id(owner, cause),
        "commodity",
        notice.subject,
        notice.body,
        notice.level == URGENT,
        notice.page,
        notice.language,
        owner=owner,
    )


def digest_ends(now: datetime) -> dict[str, datetime]:
    """Choice of digest -> the time up to which messages are due: the newest morning, or Monday morning.

    Without digests, what waits from before that choice is due now.
    """
    local = now.astimezone(ZoneInfo(DEFAULT_TIMEZONE))
    day = local.replace(hour=DIGEST_AT.hour, minute=0, second=0, microsecond=0)
    daily = day if day <= local else day - timedelta(days=1)
    return {"none": now, "daily": daily, "weekly": daily - timedelta(days=daily.weekday())}


def personal_digest(
    owner: str, choice: str, messages: Sequence[PersonalMessage], language: Language
) -> Notice:
    """One message in place of several, with a line for each. The same messages give the same ids."""
    own_id = message_id(owner, ",".join(message.alert_id for message in messages))
    own = [replace(message, language=language) for message in messages]
    return digest(own, own_id, DIGEST_SUBJECTS[choice])


def code_notice(owner: str, code: str, issued_at: datetime, minutes: int, language: Language) -> Notice:
    """The message with the code that confirms an address; it does not wait for the end of quiet hours."""
    body = CODE_BODY[language].format(minutes=minutes)
    return Notice(owner, utc_text(issued_at), CODE_LEVEL, CODE_TITLE.format(code=code), body, is_urgent=True)


def reaches(level: str, least: str) -> bool:
    """Whether a level is at least another one; information about sources is below all."""
    return level in LEVELS and LEVELS.index(level) >= LEVELS.index(least)


def message_id(owner: str, cause: str) -> str:
    """32 hexadecimal digits."""
    return hashlib.sha256(f"{owner}|{cause}".encode()).hexdigest()[:32]


def _text(time: datetime | None) -> str:
    return "" if time is None else utc_text(time)
