"""The list of alerts, in the language of the request."""

from collections.abc import Callable

import pyarrow.compute as pc

from lakehouse.alerts.lifecycle import OPEN_STATES
from serving_api.listings.filters import commodity, from_simulated_prices, region
from serving_api.listings.listing import Listing, ListRequest, Row, equal, listing_router
from serving_api.live.alert_items import COLUMNS, alert_item


def open_ones(request: ListRequest) -> pc.Expression:
    """The open alerts, unless a state is requested."""
    is_open: pc.Expression = pc.field("state").isin(OPEN_STATES)
    return pc.scalar(True) if request.values["state"] else is_open


def about_simulated_prices(request: ListRequest) -> Callable[[Row], bool]:
    """Whether an alert is about a commodity with simulated prices."""
    is_simulated = from_simulated_prices(request)
    return lambda item: item["commodity"] is not None and is_simulated(item)


ALERTS = Listing(
    table="gold.alerts",
    path="/api/public/alerts/live",
    name="list_alerts",
    item="AlertItem",
    summary="Alerts, newest first",
    description="Open alerts unless `state` names another one; in Indonesian when Accept-Language names "
    "`id`.",
    columns=COLUMNS,
    condition=open_ones,
    filters=(
        commodity(examples=("cabai",)),
        region(),
        equal("level", "only alerts of this level"),
        equal("state", "only alerts in this state; default: pending, active and acknowledged ones"),
    ),
    rows=lambda request, condition: request.snapshot.rows.filter(condition),  # texts in both languages
    order="opened_at desc, alert_id",
    present=lambda rows, request: [alert_item(row, request.language) for row in rows],
    demo=about_simulated_prices,
    variant=lambda request: request.language,
)
router = listing_router("alerts", ALERTS)
