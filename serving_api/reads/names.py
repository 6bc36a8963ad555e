"""Names as callers write them -> ids. An unknown name is 404 in an address and 422 in a body."""

from lakehouse.reference import (
    DEFAULT_TIMEZONE,
    commodities,
    commodity_aliases,
    markets,
    matching_key,
    provinces,
    region_aliases,
)
from serving_api.http.problems import Problem, invalid
from serving_api.reads.forecasts import ServedForecasts
from serving_api.reads.snapshots import Snapshot, Snapshots

NATION = ("ID", "Indonesia")  # code and name of the national series
Region = tuple[str, str]  # (code, name)


def commodity_ids(name: str) -> frozenset[str]:
    """The commodity, and for a group its members too. Raises Problem 404."""
    commodity = commodity_aliases().get(matching_key(name))
    if commodity is None:
        raise Problem("unknown-commodity", name=name)
    return frozenset({commodity, *commodities()[commodity].members})


def single_commodity(name: str) -> str:
    """The commodity that a forecast or a check is about; for a group, its representative.

    Raises Problem 404.
    """
    commodity = commodity_aliases().get(matching_key(name))
    if commodity is None:
        raise Problem("unknown-commodity", name=name)
    return commodities()[commodity].representative or commodity


def forecast_commodity(name: str, served: ServedForecasts, region_code: str) -> str:
    """The commodity that is forecast: the group itself where it has a series of its own in that region.

    Else `single_commodity`. Raises Problem 404.
    """
    single = single_commodity(name)
    own = commodity_aliases()[matching_key(name)]
    return own if served.issues.get((own, region_code)) else single


def region_of(name: str | None) -> Region:
    """(code, name) of the province; of the nation for None or "Indonesia". Raises Problem 404."""
    if name is None or matching_key(name) in map(matching_key, NATION):
        return NATION
    code = region_code(name)
    assert code is not None
    return code, provinces()[code].name


def region_code(name: str | None) -> str | None:
    """The code of the province. Raises Problem 404."""
    if name is None:
        return None
    code = region_aliases().get(matching_key(name))
    if code is None:
        raise Problem("unknown-region", name=name)
    return code


def known_market(snapshots: Snapshots, market_id: str | None) -> str | None:
    """The id, if the market is listed or has ever reported. Raises Problem 404."""
    if market_id is None or market_id in markets():
        return market_id
    if any(market_id in market_ids(snapshots[table]) for table in ("gold.markets", "gold.sensors_live")):
        return market_id
    raise Problem("unknown-market", name=market_id)


def market_ids(snapshot: Snapshot) -> frozenset[str]:
    """The markets in a table held in memory."""

    def read() -> frozenset[str]:
        assert snapshot.rows is not None
        return frozenset(snapshot.rows["market_id"].to_pylist())

    return snapshot.cached("ids", read)


def timezone_of(market_id: str | None, region: str | None) -> str:
    """The time zone of the market, else of the region, else Jakarta's (also for unknown names)."""
    market = markets().get(market_id or "")
    code = market.region_code if market else region_aliases().get(matching_key(region or ""), "")
    province = provinces().get(code)
    return province.timezone if province else DEFAULT_TIMEZONE


def commodity_in_body(name: str) -> str:
    """`single_commodity` for a name inside a body. Raises Problem 422."""
    try:
        return single_commodity(name)
    except Problem:
        raise invalid("/commodity", "unknown_commodity", f"there is no commodity '{name[:60]}'") from None


def region_in_body(snapshots: Snapshots, region: str | None, market_id: str | None = None) -> Region:
    """(code, name) of the province that a body names, by itself or by a market. Raises Problem 422."""
    try:
        named = region_of(region)
    except Problem:
        message = f"there is no province with the name or code '{(region or '')[:60]}'"
        raise invalid("/region", "unknown_region", message) from None
    if market_id is None:
        return named
    code = _region_code_of_market(snapshots, market_id)
    if region is not None and named[0] != code:
        message = f"region '{region[:60]}' is not the region of market '{market_id[:64]}'"
        raise invalid("/region", "region_agrees", message)
    return code, provinces()[code].name


def _region_code_of_market(snapshots: Snapshots, market_id: str) -> str:
    """The province of a market that is listed or has reported. Raises Problem 422."""
    try:
        known_market(snapshots, market_id)
    except Problem:
        message = f"there is no market with the id '{market_id[:64]}'"
        raise invalid("/market_id", "unknown_market", message) from None
    if market_id in markets():
        return markets()[market_id].region_code
    rows = snapshots["gold.markets"].rows
    assert rows is not None
    codes: dict[str, str] = dict(
        zip(rows["market_id"].to_pylist(), rows["region_code"].to_pylist(), strict=True)
    )
    if market_id not in codes:
        message = f"market '{market_id[:64]}' has reported no price"
        raise invalid("/market_id", "unknown_market", message)
    return codes[market_id]
