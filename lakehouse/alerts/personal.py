"""Messages to one person: a condition on a symbol that came true, an alert about a followed commodity."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from lakehouse.alerts.notices import Notice
from lakehouse.times import utc_text
from lakehouse.translation import Language

LEVELS = ("naik", "waspada", "siaga", "kritis")  # lowest first
MessageKind = Literal["price", "signal", "commodity"]
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
class PersonalMessage:
    """A message to `owner`. `message_id` follows from its cause: a repetition has the same one."""

    message_id: str
    owner: str
    kind: MessageKind
    title: str
    body: str
    page: str = ""
    language: Language = "id"


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
    kind: MessageKind = "signal" if alert["condition"] == "signal" else "price"
    cause = f"{alert['alert_id']}|{_text(time)}"
    page = f"{SYMBOL_PAGE}?simbol={symbol}"
    owner = alert["owner"]
    return PersonalMessage(message_id(owner, cause), owner, kind, title, body, page, language)


def commodity_message(notice: Notice, owner: str) -> PersonalMessage:
    """The message to a person who follows the commodity of an alert."""
    cause = f"{notice.alert_id}|{notice.stage}"
    own_id = message_id(owner, cause)
    return PersonalMessage(
        own_id, owner, "commodity", notice.subject, notice.body, notice.page, notice.language
    )


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
