"""Inputs of the sales model as callers give them, and where its answers come from."""

from collections.abc import Mapping
from typing import Any

from conf.settings import settings
from lakehouse.event import Fault
from lakehouse.reference import category_aliases, matching_key
from lakehouse.shop import bounds_of
from serving_api.http.problems import invalid, invalid_fields
from serving_api.reads.provenance import model_meta

MODEL_NAME = "sales"


def require_within_settings(prices: Mapping[str, float], rating: float, shop: str) -> None:
    """The same bounds as in the stream's rules for listings. `prices`: by field. Raises Problem 422."""
    knobs = settings().rule_values()
    bounds = dict.fromkeys(prices, bounds_of(shop, "price", knobs))
    given = {**prices, "rating": rating}
    bounds["rating"] = bounds_of(shop, "rating", knobs)
    faults = [
        Fault(f"/{name}", f"{name}_range", f"{name} {given[name]:g} is outside {low:g} to {high:g}")
        for name, (low, high) in bounds.items()
        if not low <= given[name] <= high
    ]
    if faults:
        raise invalid_fields(faults)


def category_of(given: str, model: dict[str, Any] | None) -> str:
    """The category's name in the reference list, else in the model. Raises Problem 422."""
    in_model = (
        {matching_key(name): name for name in (*model["categories"], *model["levels"])} if model else {}
    )
    name = category_aliases().get(matching_key(given)) or in_model.get(matching_key(given))
    if name is None:
        raise invalid("/category", "unknown_category", f"there is no category '{given[:60]}'")
    return name


def model_provenance(model: dict[str, Any], name: str, passed: bool) -> dict[str, Any]:
    """`meta.model` of an answer by the model file. `passed`: whether it beats the medians."""
    version, run_id = model.get("trained_at", "0"), model.get("run_id", "none")
    alias = "champion" if passed else "baseline"
    trained_on = {"silver.listings": model["data_version"]} if "data_version" in model else {}
    return model_meta(name, version, alias, trained_on, run_id, reason=model.get("reason"))
