"""Names as callers write them -> ids; what is not in a list is a 404 of its own."""

from lakehouse.reference import (
    DEFAULT_TIMEZONE,
    commodities,
    commodity_aliases,
    markets,
    matching_key,
    provinces,
    region_aliases,
)
from serving_api.gold import Gold
from serving_api.problems import Problem

NATION = ("ID", "Indonesia")  # code and name of the national series


def commodity_ids(name: str) -> frozenset[str]:
    """The commodity, and for a group its members too. Raises Problem 404."""
    found = commodity_aliases().get(matching_key(name))
    if found is None:
        raise Problem("unknown-commodity", name=name)
    return frozenset({found, *commodities()[found].members})


def single_good(name: str) -> str:
    """The commodity that a forecast or a check is about: a group's representative. Raises Problem 404."""
    found = commodity_aliases().get(matching_key(name))
    if found is None:
        raise Problem("unknown-commodity", name=name)
    return commodities()[found].representative or found


def area(name: str | None) -> tuple[str, str]:
    """(code, name) of the province; of the nation when none or "Indonesia" is named. Raises Problem 404."""
    if name is None or matching_key(name) in map(matching_key, NATION):
        return NATION
    code = region_code(name)
    assert code is not None
    return code, provinces()[code].name


def region_code(name: str | None) -> str | None:
    """The province's code. Raises Problem 404."""
    if name is None:
        return None
    found = region_aliases().get(matching_key(name))
    if found is None:
        raise Problem("unknown-region", name=name)
    return found


def known_market(gold: Gold, market_id: str | None) -> str | None:
    """The id, if the market is listed or has ever reported. Raises Problem 404."""
    if market_id is None or market_id in markets():
        return market_id
    for table in ("gold.markets", "gold.sensors_live"):
        snapshot = gold[table]
        if market_id in snapshot.cached("ids", lambda s=snapshot: frozenset(s.rows["market_id"].to_pylist())):
            return market_id
    raise Problem("unknown-market", name=market_id)


def zone_of(market_id: str | None, region: str | None) -> str:
    """The clock by which a day is read: the market's, the region's, else (names that are not known included) Jakarta's."""
    listed = markets().get(market_id or "")
    place = provinces().get(listed.region_code if listed else region_aliases().get(matching_key(region or ""), ""))
    return place.timezone if place else DEFAULT_TIMEZONE
