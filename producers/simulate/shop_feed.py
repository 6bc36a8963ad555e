"""`simulate 2`: publishes the listings of a simulated shop to Kafka, up to a hundred at a time."""

import json
import threading
import time
from datetime import UTC, datetime
from itertools import islice

from lakehouse.event import Event, series_key
from lakehouse.io.kafka import publish
from producers.simulate.shop import SampleShop, ShopListing

SHOP = "simulated"  # its product numbers are its own: as another shop they would replace real products
PRODUCTS = 60
DAYS = 180
MOST_AT_ONCE = 100


class ShopFeed:
    """Publishes half a year of the shop, at a rate; `acknowledged` counts what Kafka has confirmed."""

    def __init__(
        self,
        seed: int,
        run: str,
        rate: float,
        seconds: float | None,
        bad_share: float,
        stopping: threading.Event,
    ) -> None:
        self._run = run
        self._rate = rate
        self._seconds = seconds
        self._bad_share = bad_share
        self._stopping = stopping
        self._shop = SampleShop(seed, PRODUCTS, DAYS, datetime.now(UTC), run)
        self.acknowledged = 0

    def publish(self) -> None:
        """Publish until the last day, the time is over, or `stopping` is set. Raises NotAcknowledged."""
        began = time.monotonic()
        most = None if self._seconds is None else max(1, round(self._rate * self._seconds))
        at_once = max(1, min(MOST_AT_ONCE, round(self._rate)))
        listings = islice(self._shop.listings(self._bad_share), most)
        while part := list(islice(listings, at_once)):
            publish([self._event(listing) for listing in part])
            self.acknowledged += len(part)
            if self._stopping.wait(max(0.0, began + self.acknowledged / self._rate - time.monotonic())):
                return

    def _event(self, listing: ShopListing) -> Event:
        payload = {"Shop": SHOP, **listing.payload}
        event_id = str(payload["event_id"])
        return Event(
            kind="listing",
            key=series_key("listing", payload, event_id),
            value=json.dumps(payload).encode(),
            event_id=event_id,
            source=f"sim:{self._run}",
            received_at=datetime.now(UTC),
        )
