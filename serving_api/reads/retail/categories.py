"""Tables of shops by category, as items of a response."""

from collections.abc import Callable, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel

from lakehouse.reference import DEFAULT_SHOP, category_aliases, matching_key, shops
from serving_api.http.problems import Problem
from serving_api.reads.responses import to_json_value
from serving_api.reads.snapshots import Snapshot

Item = dict[str, Any]


def shop_names(revenue: Snapshot) -> list[str]:
    """Shops that have listings, by name."""
    return revenue.cached("shops", lambda: sorted(revenue.rows["shop"].unique().to_pylist()))


def shop_of(revenue: Snapshot, given: str | None) -> str:
    """The shop itself; without one the default shop, else the first. Raises Problem 404."""
    names = shop_names(revenue)
    if given is None:
        return names[0] if names and DEFAULT_SHOP not in names else DEFAULT_SHOP
    if given not in names:
        raise Problem("unknown-shop", name=given)
    return given


def is_simulated(revenue: Snapshot, shop: str) -> bool:
    """Whether the simulator sent some of the listings of the shop."""
    return revenue.cached(
        ("simulated", shop), lambda: bool(pc.any(rows_of(revenue, shop)["simulated"]).as_py())
    )


def encoded_category(
    opened: Sequence[Snapshot], shop: str, given: str | None, read: Callable[[pa.Table], Item]
) -> bytes:
    """What `read` makes of the rows of a category of the shop in the first table, as JSON.

    Encoded once a version of the tables. Raises Problem 404 for an unknown category.
    """
    snapshot, *others = opened
    name = None if given is None else listed_category(snapshot, given)
    return snapshot.cached(
        ("category", shop, name, *((other.identity, other.version) for other in others)),
        lambda: orjson.dumps(
            read(rows_of(snapshot, shop, name)) | {"shop": shop, "currency": currency_of(shop)}
        ),
    )


def currency_of(shop: str) -> str | None:
    """ISO 4217 code of the shop's prices; None where conf/reference/shops.yml names none."""
    listed = shops().get(shop)
    return listed.currency if listed else None


def rows_of(snapshot: Snapshot, shop: str, category: str | None = None) -> pa.Table:
    """The rows of a category of a shop, or all of the shop."""
    rows = snapshot.rows.filter(pc.field("shop") == shop)
    return rows if category is None else rows.filter(pc.field("category") == category)


def listed_category(snapshot: Snapshot, given: str) -> str:
    """The category's name in the reference list, else in the table. Raises Problem 404."""
    in_table = snapshot.cached(
        "categories",
        lambda: {matching_key(name): name for name in snapshot.rows["category"].unique().to_pylist()},
    )
    name = category_aliases().get(matching_key(given)) or in_table.get(matching_key(given))
    if name is None:
        raise Problem("unknown-category", name=given[:60])
    return name


def items_of(rows: pa.Table, model: type[BaseModel]) -> list[Item]:
    """The columns that the model names, as JSON holds them."""
    columns = rows.select(list(model.model_fields)).to_pylist()
    return [{name: to_json_value(value) for name, value in row.items()} for row in columns]
