"""Names as callers write them -> ids. An unknown name is 404 in an address and 422 in a body."""

from collections.abc import Mapping, Sequence
from difflib import get_close_matches

from lakehouse.event import Fault
from lakehouse.reference import (
    Commodity,
    commodities,
    commodity_aliases,
    markets,
    matching_key,
    province_timezone,
    provinces,
    region_aliases,
)
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid, invalid_fields
from serving_api.reads.forecasts import ServedForecasts
from serving_api.reads.snapshots import Snapshots

NATION = ("ID", "Indonesia")  # code and name of the national series
SPELLINGS = 10  # compared spellings; several may mean the same name
SUGGESTIONS = 3
Region = tuple[str, str]  # (code, name)


def named_commodity(name: str) -> Commodity:
    """The commodity that a name or alias means. Raises Problem 404 with the nearest ones."""
    commodity = commodity_aliases().get(matching_key(name))
    if commodity is None:
        raise unknown("unknown-commodity", name, commodity_aliases())
    return commodities()[commodity]


def commodity_ids(name: str) -> frozenset[str]:
    """The commodity, and for a group its members too. Raises Problem 404."""
    commodity = named_commodity(name)
    return frozenset({commodity.id, *commodity.members})


def single_commodity(name: str) -> str:
    """The commodity that a forecast or a check is about; for a group, its representative.

    Raises Problem 404.
    """
    commodity = named_commodity(name)
    return commodity.representative or commodity.id


def forecast_commodity(name: str, served: ServedForecasts, region_code: str) -> str:
    """The commodity that is forecast: the group itself where it has a series of its own in that region.

    Else `single_commodity`. Raises Problem 404.
    """
    own = named_commodity(name).id
    return own if served.issues.get((own, region_code)) else single_commodity(name)


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
        names = {key: provinces()[code].name for key, code in region_aliases().items()}
        raise unknown("unknown-region", name, names)
    return code


def unknown(slug: str, name: str, known: Mapping[str, str]) -> Problem:
    """404 with the names nearest to `name`. `known`: spelling -> name."""
    spellings = get_close_matches(matching_key(name[:64]), known, SPELLINGS)
    nearest = list(dict.fromkeys(known[spelling] for spelling in spellings))[:SUGGESTIONS]
    text = message("nearest", names=", ".join(nearest)) if nearest else ""
    return Problem(slug, extensions={"nearest": nearest}, name=name, nearest=text)


def known_market(snapshots: Snapshots, market_id: str | None) -> str | None:
    """The id, if the market is listed or has ever reported. Raises Problem 404."""
    if market_id is None or market_id in markets():
        return market_id
    reported = (snapshots[table].rows_by("market_id") for table in ("gold.markets", "gold.sensors_live"))
    if any(market_id in known for known in reported):
        return market_id
    raise Problem("unknown-market", name=market_id)


def timezone_of(market_id: str | None, region: str | None) -> str:
    """The time zone of the market, else of the region, else Jakarta's (also for unknown names)."""
    market = markets().get(market_id or "")
    code = market.region_code if market else region_aliases().get(matching_key(region or ""), "")
    return province_timezone(code)


def commodity_in_body(name: str) -> str:
    """`single_commodity` for a name inside a body. Raises Problem 422."""
    try:
        return single_commodity(name)
    except Problem:
        raise invalid("/commodity", "unknown_commodity", message("no_commodity", name=name[:60])) from None


def commodity_ids_in_body(names: Sequence[str]) -> list[str]:
    """Ids of the commodities, each once. Raises Problem 422 with every unknown name."""
    return _ids_in_body("/commodities", names, commodity_aliases(), "unknown_commodity", "no_commodity")


def region_codes_in_body(names: Sequence[str]) -> list[str]:
    """Codes of the provinces, each once. Raises Problem 422 with every unknown name."""
    return _ids_in_body("/regions", names, region_aliases(), "unknown_region", "no_region")


def _ids_in_body(
    pointer: str, names: Sequence[str], aliases: Mapping[str, str], code: str, text: str
) -> list[str]:
    unknown = [
        Fault(f"{pointer}/{number}", code, message(text, name=name[:60]))
        for number, name in enumerate(names)
        if matching_key(name) not in aliases
    ]
    if unknown:
        raise invalid_fields(unknown, listed=None)
    return list(dict.fromkeys(aliases[matching_key(name)] for name in names))


def region_in_body(snapshots: Snapshots, region: str | None, market_id: str | None = None) -> Region:
    """(code, name) of the province that a body names, by itself or by a market. Raises Problem 422."""
    try:
        named = region_of(region)
    except Problem:
        text = f"there is no province with the name or code '{(region or '')[:60]}'"
        raise invalid("/region", "unknown_region", text) from None
    if market_id is None:
        return named
    code = _region_code_of_market(snapshots, market_id)
    if region is not None and named[0] != code:
        raise region_disagrees(region, market_id)
    return code, provinces()[code].name


def region_disagrees(region: str, market_id: str) -> Problem:
    """422 for a region in which the market does not lie."""
    text = message("region_disagrees", region=region[:60], market_id=market_id[:64])
    return invalid("/region", "region_agrees", text)


def require_market_in_region(snapshots: Snapshots, market_id: str | None, region: str | None) -> None:
    """For the names of a query. Raises Problem 404 for an unknown one, 422 when they disagree."""
    known_market(snapshots, market_id)
    code = region_code(region)
    if market_id is None or region is None:
        return
    if region_code_of_market(snapshots, market_id) not in (None, code):
        raise region_disagrees(region, market_id)


def region_of_market(snapshots: Snapshots, market_id: str) -> str:
    """The province code of a market that is listed or has reported a price. Raises Problem 404."""
    code = region_code_of_market(snapshots, market_id)
    if code is None:
        raise Problem("unknown-market", name=market_id)
    return code


def region_code_of_market(snapshots: Snapshots, market_id: str | None) -> str | None:
    """Code of the province of a market that is listed or has reported a price; None for any other."""
    if market_id is None:
        return None
    if market_id in markets():
        return markets()[market_id].region_code
    reported = snapshots["gold.markets"].rows_by("market_id").get(market_id)
    return reported["region_code"] if reported else None


def _region_code_of_market(snapshots: Snapshots, market_id: str) -> str:
    """The province of a market that is listed or has reported. Raises Problem 422."""
    try:
        known_market(snapshots, market_id)
    except Problem:
        text = f"there is no market with the id '{market_id[:64]}'"
        raise invalid("/market_id", "unknown_market", text) from None
    code = region_code_of_market(snapshots, market_id)
    if code is None:
        raise invalid("/market_id", "unknown_market", f"market '{market_id[:64]}' has reported no price")
    return code
