"""Parameters that several lists have, and what they share besides."""

from collections.abc import Callable
from typing import Any

import pyarrow.compute as pc

from serving_api.listings.listing import Filter, ListRequest, Row
from serving_api.reads.names import commodity_ids, region_code
from serving_api.reads.provenance import from_simulated
from serving_api.schemas.envelope import Name

MEMBERS = "id or alias; a group returns its members too"


def commodity(description: str = MEMBERS, **more: Any) -> Filter:
    """The rows of a commodity and, for a group, its members. Unknown: 404."""

    def rows(name: str, request: ListRequest) -> pc.Expression:
        return pc.field("commodity").isin(sorted(commodity_ids(name)))

    return Filter("commodity", description, rows, Name, **more)


def region(
    description: str = "province name or two-digit code", column: str = "region_code", **more: Any
) -> Filter:
    """The rows of a province. Unknown: 404."""

    def rows(name: str, request: ListRequest) -> pc.Expression:
        return pc.field(column) == region_code(name)

    return Filter("region", description, rows, Name, **more)


def from_simulated_prices(request: ListRequest) -> Callable[[Row], bool]:
    """Whether simulated prices are among those that an item about a commodity follows from."""
    return lambda item: from_simulated(request.snapshots, [item["commodity"]])
