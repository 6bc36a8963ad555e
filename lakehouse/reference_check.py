"""Whether every reference list can be used, before anything starts."""

from lakehouse.reference import (
    basket,
    category_aliases,
    ceilings,
    commodities,
    commodity_aliases,
    markets,
    national_weights,
    place_aliases,
    region_aliases,
    region_weights,
    shops,
    unit_aliases,
    variety_words,
)
from lakehouse.reference_files import fault_at, own_files
from lakehouse.trading.exchanges import exchanges
from lakehouse.trading.sessions import calendar_names

EXCHANGES = "exchanges.yml"


def check_lists() -> None:
    """Read every list. Raises ReferenceListError for the first one that cannot be used."""
    own = [file.name for file in own_files()]
    basket()
    region_weights()
    for read in (markets, ceilings, national_weights, commodity_aliases, region_aliases, place_aliases):
        read()
    unit_aliases()
    variety_words()
    category_aliases()
    shops()
    listed = exchanges().values()
    if EXCHANGES in own:  # those of the repository are checked by its tests
        known = calendar_names()
        for exchange in listed:
            if exchange.calendar not in known:
                text = f"'calendar': exchange_calendars has no calendar '{exchange.calendar}'"
                raise fault_at(EXCHANGES, "exchanges", {"currency": exchange.currency}, text)
    for entry in commodities().values():
        for other in (*entry.members, *([entry.representative] if entry.representative else [])):
            if other not in commodities():
                text = f"'members': there is no commodity '{other}'"
                raise fault_at("commodities.yml", "commodities", {"id": entry.id}, text)
