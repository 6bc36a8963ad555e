"""Reference lists of commodities, units, provinces, markets and shop categories, and the one way names are matched."""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

CONF = Path(__file__).resolve().parent.parent / "conf"
DEFAULT_TIMEZONE = "Asia/Jakarta"
LONGEST_CODE = len("idjk")  # matching key of an ISO code


@dataclass(frozen=True)
class Commodity:
    """A good with its unit; `band_idr` bounds a believable price in rupiah per unit."""

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


@dataclass(frozen=True)
class Province:
    """A province by its two-digit code; coordinates in degrees, rough."""

    code: str
    iso: str
    name: str
    timezone: str
    latitude: float
    longitude: float
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


def matching_key(name: str) -> str:
    """Names are equal when their letters and digits are: case, space and punctuation do not matter."""
    return re.sub(r"[^0-9a-z]", "", name.lower())


def _load(file: str, section: str) -> Any:
    return yaml.safe_load((CONF / file).read_text(encoding="utf-8"))[section]


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
    wide = [Market(p.market_id, p.name, p.code, p.latitude, p.longitude, "province") for p in provinces().values()]
    return {market.market_id: market for market in listed + wide}


@cache
def commodity_aliases() -> dict[str, str]:
    """matching key -> commodity id."""
    return {matching_key(name): good.id for good in commodities().values() for name in (good.id, good.name, *good.aliases)}


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
    return {matching_key(name): unit for unit, names in _load("commodities.yml", "units").items() for name in (unit, *names)}


@cache
def category_aliases() -> dict[str, str]:
    """matching key -> category of goods in a shop, upper case."""
    listed = _load("categories.yml", "categories")
    return {matching_key(name): shown for shown, names in listed.items() for name in (shown, *names)}


@cache
def place_aliases() -> dict[str, str]:
    """matching key -> two-digit province code of a place: a province, or a listed market by id or name."""
    listed = [place for place in markets().values() if place.level == "market"]
    named = {matching_key(name): place.region_code for place in listed for name in (place.market_id, place.name)}
    return named | region_aliases()


@cache
def spellings(list_name: str) -> tuple[tuple[str, str], ...]:
    """(matching key, name to suggest) of every spelling in a list. Codes are left out: nobody misspells a name into one."""
    regions = {key: provinces()[code].name for key, code in region_aliases().items() if len(key) > LONGEST_CODE}
    found: dict[str, dict[str, str]] = {
        "commodity": commodity_aliases(),
        "region": regions,
        "place": {matching_key(m.name): m.name for m in markets().values()} | regions,
        "unit": unit_aliases(),
        "category": category_aliases(),
    }
    return tuple(found[list_name].items())
