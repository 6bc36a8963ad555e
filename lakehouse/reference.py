"""Reference lists (commodities, provinces, markets, ceilings, shops, categories) and name matching."""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from datetime import date
from functools import cache
from typing import Annotated, TypeVar

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from lakehouse.reference_files import fault_at, merged
from lakehouse.yaml_text import fault_text

STRICT = ConfigDict(extra="forbid", coerce_numbers_to_str=True)
Entry = TypeVar("Entry")
MARKET_ID_CHARACTERS = 64
DEFAULT_TIMEZONE = "Asia/Jakarta"
DEFAULT_SHOP = "main"  # of listings that name no shop
LONGEST_CODE = len("idjk")  # matching key of an ISO code


@dataclass(frozen=True, config=STRICT)
class Commodity:
    """A commodity with its unit; `band_idr` bounds a plausible price in rupiah per unit."""

    id: str
    name: str
    group: str
    unit: str
    band_idr: tuple[float, float]
    typical_idr: float
    daily_volatility: float  # sd of the daily log change
    aliases: tuple[str, ...] = ()
    is_group: bool = False
    members: tuple[str, ...] = ()
    representative: str | None = None  # of a group: the member used where a single commodity is needed
    producers: tuple[str, ...] = ()  # codes of the provinces with the largest harvests


@dataclass(frozen=True, config=STRICT)
class Province:
    """A province by its two-digit code; coordinates in degrees, rough."""

    code: str
    iso: str
    name: str
    timezone: str
    latitude: float
    longitude: float
    rice_zone: str
    aliases: tuple[str, ...] = ()

    @property
    def market_id(self) -> str:
        """The market id under which province-wide prices are kept."""
        return f"PROV-{self.code}"


@dataclass(frozen=True, config=STRICT)
class Market:
    """A place that prices come from: a market, or a whole province (`level` "province")."""

    market_id: str
    name: str
    region_code: str
    latitude: float | None = None
    longitude: float | None = None
    level: str = "market"
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, config=STRICT)
class Ceiling:
    """A reference price in rupiah per `unit`: a consumer `high_idr` ceiling, a producer `low_idr` floor."""

    commodity: str
    zone: str  # rice_zone of the province
    level: str  # consumer or producer
    kind: str  # HET, HAP or HPP
    low_idr: float | None
    high_idr: float | None
    unit: str
    valid_from: date
    valid_to: date | None  # its last day; None: until the next one begins
    act: str
    confidence: str  # press, quoted or assumed

    @property
    def bound_idr(self) -> float | None:
        """The bound that applies at its level."""
        return self.high_idr if self.level == "consumer" else self.low_idr


@dataclass(frozen=True, config=STRICT)
class Shop:
    """A shop with its currency and the bounds of its listings; None: those of the knobs."""

    id: str
    currency: str | None = None  # ISO 4217
    price_min: float | None = None
    price_max: float | None = None
    rating_min: float | None = None
    rating_max: float | None = None


@dataclass(frozen=True, config=STRICT)
class NationalWeights:
    """Weights of provinces in the national price; a province that is not listed weighs 1."""

    name: str
    by_region: dict[str, float]


@dataclass(frozen=True, config=STRICT)
class BasketItem:
    """An item of the basket. Its commodities with a price share its weight equally."""

    weight_pct: Annotated[float, Field(gt=0)]
    commodities: Annotated[tuple[str, ...], Field(min_length=1)]


@dataclass(frozen=True, config=STRICT)
class Basket:
    """The items of the weekly index by name, and the source of their weights."""

    source: str
    year: int
    items: Annotated[dict[str, BasketItem], Field(min_length=1)]

    @property
    def text(self) -> str:
        """The source with its year."""
        return f"{self.source} ({self.year})"


def island(region: str) -> str:
    """The island group of a province: the first digit of its code, Sumatra's 2 as 1.

    Empty for other names.
    """
    return {"2": "1"}.get(region[0], region[0]) if len(region) == 2 and region.isdigit() else ""


def matching_key(name: str) -> str:
    """Names are equal when their letters and digits are: case, space and punctuation do not matter."""
    return re.sub(r"[^0-9a-z]", "", name.lower())


def listed_entries(file: str, section: str, model: type[Entry], **renamed: str) -> list[Entry]:
    """The entries of a list. `renamed`: key in the YAML -> field of the model. Raises ReferenceListError."""
    adapter = TypeAdapter(model)
    entries = []
    for row in merged(file, section):
        try:
            entries.append(adapter.validate_python({renamed.get(key, key): row[key] for key in row}))
        except ValidationError as error:
            text = "; ".join(fault_text(fault).removeprefix(": ") for fault in error.errors())
            raise fault_at(file, section, row, text) from None
    return entries


def _aliases(file: str, section: str, entries: Iterable[tuple[str, Iterable[str]]]) -> dict[str, str]:
    """matching key -> id, of (id, its names). Raises ReferenceListError when a name is that of two ids."""
    known: dict[str, str] = {}
    for identity, names in entries:
        for name in names:
            other = known.setdefault(matching_key(name), identity)
            if other != identity:
                text = f"the name '{name}' is that of '{other}' too"
                raise fault_at(file, section, {"id": identity, "code": identity}, text)
    return known


@cache
def commodities() -> dict[str, Commodity]:
    """Commodities by id, in the order of the list."""
    return {entry.id: entry for entry in listed_entries("commodities.yml", "commodities", Commodity)}


@cache
def provinces() -> dict[str, Province]:
    """Provinces by two-digit code, in the order of the list."""
    return {entry.code: entry for entry in listed_entries("provinces.yml", "provinces", Province)}


def province_timezone(code: str | None) -> str:
    """The time zone of a province, Jakarta's for a place that is not listed."""
    province = provinces().get(code or "")
    return province.timezone if province else DEFAULT_TIMEZONE


@cache
def markets() -> dict[str, Market]:
    """Listed markets and one province-wide market per province, by market id."""
    listed = listed_entries("markets.yml", "markets", Market, region="region_code")
    for market in listed:
        if market.region_code not in provinces():
            text = f"'region': there is no province '{market.region_code}'"
            raise fault_at("markets.yml", "markets", {"market_id": market.market_id}, text)
    wide = [
        Market(p.market_id, p.name, p.code, p.latitude, p.longitude, "province") for p in provinces().values()
    ]
    return {market.market_id: market for market in listed + wide}


@cache
def ceilings() -> tuple[Ceiling, ...]:
    """All ceilings, one per zone, oldest first."""
    by_zone = []
    for row in merged("ceilings.yml", "ceilings"):
        for zone in sorted({place.rice_zone for place in provinces().values()}):
            figures = (row.get(name) for name in ("low_idr", "high_idr"))
            low, high = (figure[zone] if isinstance(figure, dict) else figure for figure in figures)
            rest = {key: value for key, value in row.items() if key not in ("low_idr", "high_idr")}
            try:
                entry = Ceiling(**{"valid_to": None, **rest, "zone": zone, "low_idr": low, "high_idr": high})
            except ValidationError as error:
                raise fault_at("ceilings.yml", "ceilings", row, fault_text(error.errors()[0])[2:]) from None
            by_zone.append(entry)
    return tuple(sorted(by_zone, key=lambda ceiling: ceiling.valid_from))


@cache
def ceilings_of(commodity: str, zone: str, level: str) -> tuple[Ceiling, ...]:
    """Ceilings of one commodity, zone and level (consumer or producer), oldest first."""
    return tuple(c for c in ceilings() if (c.commodity, c.zone, c.level) == (commodity, zone, level))


def ceiling_on(market_date: date, commodity: str, region_code: str, level: str) -> Ceiling | None:
    """The ceiling that applied on that market day; None without one."""
    begun = [
        c
        for c in ceilings_of(commodity, provinces()[region_code].rice_zone, level)
        if c.valid_from <= market_date
    ]
    newest = begun[-1] if begun else None
    return newest if newest and (newest.valid_to is None or market_date <= newest.valid_to) else None


@cache
def national_weights() -> NationalWeights:
    """Weights of the provinces in the national price."""
    return NationalWeights(**merged("provinces.yml", "national_weights"))


@cache
def basket() -> Basket:
    """The basket of the weekly index. Raises ReferenceListError."""
    listed = _mapping("weights.yml", "basket", Basket)
    owners: dict[str, str] = {}
    for item, entry in listed.items.items():
        for name in entry.commodities:
            if name not in commodities():
                raise fault_at("weights.yml", "basket", {}, f"'{item}': there is no commodity '{name}'")
            if owners.setdefault(name, item) != item:
                text = f"'{item}': the commodity '{name}' is one of '{owners[name]}' too"
                raise fault_at("weights.yml", "basket", {}, text)
    return listed


@cache
def region_weights() -> NationalWeights:
    """Weights of the provinces in the weekly index of the nation. Raises ReferenceListError."""
    return _mapping("weights.yml", "regions", NationalWeights)


def _mapping(file: str, section: str, model: type[Entry]) -> Entry:
    """A section that is a mapping. Raises ReferenceListError."""
    try:
        return TypeAdapter(model).validate_python(merged(file, section))
    except ValidationError as error:
        text = "; ".join(fault_text(fault).removeprefix(": ") for fault in error.errors())
        raise fault_at(file, section, {}, text) from None


@cache
def commodity_aliases() -> dict[str, str]:
    """matching key -> commodity id."""
    listed = ((entry.id, (entry.id, entry.name, *entry.aliases)) for entry in commodities().values())
    return _aliases("commodities.yml", "commodities", listed)


@cache
def region_aliases() -> dict[str, str]:
    """matching key -> two-digit province code; the code and the ISO code are names too."""
    listed = ((at.code, (at.code, at.iso, at.name, *at.aliases)) for at in provinces().values())
    return _aliases("provinces.yml", "provinces", listed)


@cache
def unit_aliases() -> dict[str, str]:
    """matching key -> unit."""
    return _spelled("commodities.yml", "units")


@cache
def variety_words() -> frozenset[str]:
    """Words by which commodities of else equal names differ: colours, grades, cuts."""
    listed = merged("commodities.yml", "varieties")
    return frozenset(matching_key(word) for words in listed.values() for word in words)


@cache
def category_aliases() -> dict[str, str]:
    """matching key -> category of products in a shop, upper case."""
    return _spelled("categories.yml", "categories")


def _spelled(file: str, section: str) -> dict[str, str]:
    """matching key -> key, of a mapping of a key to its other spellings."""
    listed = merged(file, section)
    return {matching_key(name): key for key, names in listed.items() for name in (key, *names)}


@cache
def shops() -> dict[str, Shop]:
    """Listed shops by id."""
    return {entry.id: entry for entry in listed_entries("shops.yml", "shops", Shop)}


@cache
def place_aliases() -> dict[str, str]:
    """matching key -> two-digit province code of a place: a province, or a listed market by id or name."""
    return {key: market.region_code for key, market in _listed_names()} | region_aliases()


@cache
def _market_names() -> dict[tuple[str, str], str]:
    """(matching key, province code) -> market id of the listed markets."""
    return {(key, market.region_code): market.market_id for key, market in _listed_names()}


def _listed_names() -> Iterator[tuple[str, Market]]:
    """Matching key of each name of each listed market."""
    for market in markets().values():
        if market.level == "market":
            for name in (market.market_id, market.name, *market.aliases):
                yield matching_key(name), market


@cache
def market_id_of(name: str, region_code: str | None = None) -> str:
    """The id of a market by its name: the listed one, else letters and digits of the name, joined by `-`.

    With a region the listed market must lie in it, and the id of another begins with its code: two provinces
    may have a market of one name.
    """
    key = matching_key(name)
    regions = [region_code] if region_code else list(provinces())
    listed = [_market_names()[key, code] for code in regions if (key, code) in _market_names()]
    if len(listed) == 1:
        return listed[0]
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().upper()
    parts = [region_code] if region_code else []
    return "-".join([*parts, *re.findall(r"[0-9A-Z]+", plain)])[:MARKET_ID_CHARACTERS]


def slug(name: str) -> str:
    """Small letters and digits, joined by `-`: the id of what no list has."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode().lower()
    return "-".join(re.findall(r"[0-9a-z]+", plain)) or "unnamed"


@cache
def spellings(list_name: str) -> tuple[tuple[str, str], ...]:
    """Matching key and name to suggest of every spelling in a list.

    Codes are left out: a misspelt name is never meant as a code.
    """
    regions = {
        key: provinces()[code].name for key, code in region_aliases().items() if len(key) > LONGEST_CODE
    }
    lists: dict[str, dict[str, str]] = {
        "commodity": commodity_aliases(),
        "region": regions,
        "place": {matching_key(m.name): m.name for m in markets().values()} | regions,
        "unit": unit_aliases(),
        "category": category_aliases(),
    }
    return tuple(lists[list_name].items())
