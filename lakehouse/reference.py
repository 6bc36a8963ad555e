"""Reference lists (commodities, units, provinces, markets, ceilings, shop categories) and name matching."""

import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).resolve().parent.parent / "conf" / "reference"
DEFAULT_TIMEZONE = "Asia/Jakarta"
LONGEST_CODE = len("idjk")  # matching key of an ISO code


@dataclass(frozen=True)
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


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class Market:
    """A place that prices come from: a market, or a whole province (`level` "province")."""

    market_id: str
    name: str
    region_code: str
    latitude: float | None
    longitude: float | None
    level: str = "market"


@dataclass(frozen=True)
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


@dataclass(frozen=True)
class NationalWeights:
    """Weights of provinces in the national price; a province that is not listed weighs 1."""

    name: str
    by_region: dict[str, float]


def matching_key(name: str) -> str:
    """Names are equal when their letters and digits are: case, space and punctuation do not matter."""
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _load(file: str, section: str) -> Any:
    return yaml.safe_load((FOLDER / file).read_text(encoding="utf-8"))[section]


def _frozen(row: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}


@cache
def commodities() -> dict[str, Commodity]:
    """Commodities by id, in the order of the list."""
    return {row["id"]: Commodity(**_frozen(row)) for row in _load("commodities.yml", "commodities")}


@cache
def provinces() -> dict[str, Province]:
    """Provinces by two-digit code, in the order of the list."""
    return {row["code"]: Province(**_frozen(row)) for row in _load("provinces.yml", "provinces")}


@cache
def markets() -> dict[str, Market]:
    """Listed markets and one province-wide market per province, by market id."""
    listed = [Market(region_code=row.pop("region"), **row) for row in _load("markets.yml", "markets")]
    wide = [
        Market(p.market_id, p.name, p.code, p.latitude, p.longitude, "province") for p in provinces().values()
    ]
    return {market.market_id: market for market in listed + wide}


@cache
def ceilings() -> tuple[Ceiling, ...]:
    """All ceilings, one per zone, oldest first."""
    by_zone = []
    for row in _load("ceilings.yml", "ceilings"):
        for zone in sorted({place.rice_zone for place in provinces().values()}):
            low, high = (_of_zone(row.get(name), zone) for name in ("low_idr", "high_idr"))
            rest = {key: value for key, value in row.items() if key not in ("low_idr", "high_idr")}
            by_zone.append(
                Ceiling(**{"valid_to": None, **rest, "zone": zone, "low_idr": low, "high_idr": high})
            )
    return tuple(sorted(by_zone, key=lambda ceiling: ceiling.valid_from))


def _of_zone(figure: Any, zone: str) -> float | None:
    chosen: float | None = figure[zone] if isinstance(figure, dict) else figure
    return chosen


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
    return NationalWeights(**_load("provinces.yml", "national_weights"))


@cache
def commodity_aliases() -> dict[str, str]:
    """matching key -> commodity id."""
    return {
        matching_key(name): commodity.id
        for commodity in commodities().values()
        for name in (commodity.id, commodity.name, *commodity.aliases)
    }


@cache
def region_aliases() -> dict[str, str]:
    """matching key -> two-digit province code; the code and the ISO code are names too."""
    return {
        matching_key(name): place.code
        for place in provinces().values()
        for name in (place.code, place.iso, place.name, *place.aliases)
    }


@cache
def unit_aliases() -> dict[str, str]:
    """matching key -> unit."""
    return {
        matching_key(name): unit
        for unit, names in _load("commodities.yml", "units").items()
        for name in (unit, *names)
    }


@cache
def category_aliases() -> dict[str, str]:
    """matching key -> category of products in a shop, upper case."""
    listed = _load("categories.yml", "categories")
    return {matching_key(name): shown for shown, names in listed.items() for name in (shown, *names)}


@cache
def place_aliases() -> dict[str, str]:
    """matching key -> two-digit province code of a place: a province, or a listed market by id or name."""
    listed = [place for place in markets().values() if place.level == "market"]
    named = {
        matching_key(name): place.region_code for place in listed for name in (place.market_id, place.name)
    }
    return named | region_aliases()


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
