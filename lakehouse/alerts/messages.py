"""Texts of alerts in English and Indonesian: place, commodity, since when, how much, suggested action."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from lakehouse.reference import DEFAULT_TIMEZONE
from lakehouse.translation import Language, catalog, filled


@dataclass(frozen=True)
class Texts:
    """What an alert of a rule says; both texts are in lakehouse/translations/alerts.yml."""

    message: str
    action: str


TEXTS = {
    "price_level": Texts(
        "{commodity} in {place} costs {price} per {unit} on {day}. "
        "Since {since} its rise over 7 days has reached {peak} %.",
        "Check the stock of traders and warehouses, and prepare a market operation.",
    ),
    "ceiling_gap": Texts(
        "{commodity} in {place} costs {price} per {unit} on {day}. "
        "Since {since} it has been up to {peak} % above its ceiling.",
        "Call a meeting of the regional inflation team (TPID) about a market operation.",
    ),
    "risk": Texts(
        "{commodity} in {place} costs {price} per {unit} on {day}. "
        "Since {since} the risk that it rises by 10 % or more within a week has reached {peak} %.",
        "Check the stock of traders and warehouses before the price rises.",
    ),
    "market_jump": Texts(
        "{commodity} at {source} in {place} costs {price} per {unit} on {day}, "
        "{peak} % more than on {since}.",
        "Ask the market's officer whether the price is right, and check the stock of its traders.",
    ),
    "held_price": Texts(
        "{commodity} at {source} in {place}: {price} per {unit} is held back since {since}. "
        "It is {peak} % above the last accepted price.",
        "Decide about it in the quarantine: release it if the market confirms it.",
    ),
    "stock_cover": Texts(
        "{commodity} of {source} in {place}: {quantity} kg on {day}, enough for {cover} days. "
        "It fell below {limit} days on {since}.",
        "Send a delivery, or move stock from a province with a surplus.",
    ),
    "stock_unexplained": Texts(
        "{commodity} of {source} in {place}: on {day} the stock changed by {residual} % that deliveries do "
        "not explain. The first such day was {since}.",
        "Count the stock, and compare it with the delivery notes.",
    ),
    "silent_market": Texts(
        "Market {source} in {place} has sent no price since {since}.",
        "Ask the market's officer to report, and check the device.",
    ),
    "silent_device": Texts(
        "A device of {source} in {place} has sent no reading since {since}.",
        "Check power, network and clock of the device.",
    ),
    "silent_all": Texts(
        "Nothing has arrived since {since}: most of the {series} devices and markets should have reported.",
        "Check the network, the MQTT broker and ./run.sh status.",
    ),
    "silent_collector": Texts(
        "The newest accepted event of source {source} is of {since}.",
        "See ./run.sh status for its last failure, and its events in quarantine.",
    ),
    "split_series": Texts(
        "{events} events of kind {kind} came in another partition than their series, "
        "the first in partition {partition} instead of {other}. It began {since}.",
        "gold.partition_faults has the keys. Let the program that writes to Kafka itself send to a door, "
        "or choose partitions as Lumbung does.",
    ),
    "repeated_id": Texts(
        "{events} ids of kind {kind} came in a second partition, "
        "the first in partition {partition} after {other}: each has landed twice. It began {since}.",
        "gold.partition_faults has the ids. Give each event an id of its own, and send a repetition "
        "with the same key. ./run.sh rebuild silver then removes what landed twice.",
    ),
}
UNKNOWN_PLACE = "an unknown place"
Value = str | float | date  # a datetime is a moment: it has a time zone
MONTHS: Mapping[Language, str] = {
    "en": "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
    "id": "Jan Feb Mar Apr Mei Jun Jul Agu Sep Okt Nov Des",
}


def rupiah(amount: float, language: Language) -> str:
    """`Rp 45,000` in English, `Rp 45.000` in Indonesian; the space does not break."""
    return f"Rp\u00a0{thousands(amount, language)}"


def thousands(number: float, language: Language) -> str:
    """Without decimals: `45,000` in English, `45.000` in Indonesian."""
    return _separated(f"{number:,.0f}", language)


def decimal(number: float, language: Language) -> str:
    """One decimal place: `1,012.5` in English, `1.012,5` in Indonesian."""
    return _separated(f"{number:,.1f}", language)


def _separated(text: str, language: Language) -> str:
    return text if language == "en" else text.translate(str.maketrans(",.", ".,"))


def day_text(day: date, language: Language) -> str:
    """`9 Aug 2026` in English, `9 Agu 2026` in Indonesian."""
    return f"{day.day} {MONTHS[language].split()[day.month - 1]} {day.year}"


def moment_text(moment: datetime, language: Language) -> str:
    """`9 Aug 2026, 06:45 WIB` in English, `9 Agu 2026 06.45 WIB` in Indonesian: on Jakarta's clocks."""
    local = moment.astimezone(ZoneInfo(DEFAULT_TIMEZONE))
    time = f", {local:%H:%M} WIB" if language == "en" else f" {local:%H.%M} WIB"
    return day_text(local, language) + time


def signed(number: float, language: Language) -> str:
    """A change with sign and two decimal places: `+0.41` in English, `+0,41` in Indonesian."""
    return _separated(f"{number:+,.2f}", language)


def texts_of(rule: str, values: Mapping[str, Value]) -> dict[str, str]:
    """Message and action in both languages, as the columns of gold.alerts.

    `values`: by the names in the rule's message; numbers and days are written as the language does.
    """
    texts = TEXTS[rule]
    return {
        "message": filled(texts.message, _written(values, "en")),
        "message_indonesian": filled(catalog()[texts.message], _written(values, "id")),
        "action": texts.action,
        "action_indonesian": catalog()[texts.action],
    }


def _written(values: Mapping[str, Value], language: Language) -> dict[str, str]:
    return {f"{{{name}}}": _text(name, value, language) for name, value in values.items()}


def _text(name: str, value: Value, language: Language) -> str:
    if isinstance(value, str):
        return catalog().get(value, value) if language == "id" else value
    if isinstance(value, datetime):
        return moment_text(value, language)
    if isinstance(value, date):
        return day_text(value, language)
    if name == "price":
        return rupiah(value, language)
    return thousands(value, language) if name == "quantity" else decimal(value, language)
