"""Listings of a simulated shop whose demand is known: price, promotions, stock-outs, reviews, drift. Seeded.

Units wanted of a product on a day follow a Poisson law with the mean
    size * exp(-net price / scale of its category) * promotion * rating * weekday * drift.
So the net price that earns most is the scale of the category, whatever the other factors are.
"""

import json
import math
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice

import numpy as np

from lakehouse.event import Event, series_key
from lakehouse.io.kafka import EventSink

SCALES = {"BOOKS": 60.0, "ELECTRONICS": 180.0, "SOCKS": 25.0, "WINE": 90.0}  # price of most revenue, net
SIZE = 60.0  # units a day at the price of zero
PROMOTIONS = (10.0, 20.0, 30.0)  # percent
PROMOTED_SHARE = 0.25  # of the weeks of a product
PROMOTION_LIFT = 0.8  # of log units, at a discount of 100 %, besides the lower price
RATING_LIFT = 0.15  # of log units a point
WEEKEND_LIFT = 0.15  # of log units on Saturday and Sunday
DRIFT_A_DAY = 0.001  # of log units
PRODUCT_SPREAD = 0.05  # sd of log units between products, which no column shows
PRICE_DAYS = 20  # a list price holds so long
COVER_DAYS = 9  # of a delivery, which comes every two weeks: stock runs out now and then
DELIVERY_DAYS = 14
REVIEW_SHARE = 0.1  # of the units sold
FAULTS = ({"Price": -1.0}, {"Rating": 7.0}, {"Discount": 8}, {"Category": None}, {"DateAdded": "soon"})
SHOP = "simulated"  # its product numbers are its own: as another shop they would replace real products
PRODUCTS = 60  # of the feed
DAYS = 180
MOST_AT_ONCE = 100  # listings that are published together


@dataclass(frozen=True)
class ShopListing:
    """One state of a product, as an old producer would send it, with the day's true mean of wanted units."""

    payload: dict[str, object]
    wanted: float


class SampleShop:
    """`products` products reported at the end of each of `days` days, the last of which ends at `until`."""

    def __init__(self, seed: int, products: int, days: int, until: datetime, run: str = "shop") -> None:
        self._random = np.random.default_rng(seed)
        self._days = days
        self._first = until.astimezone(UTC) - timedelta(days=days - 1)
        self._run = run
        names = list(SCALES)
        self._category = [names[number % len(names)] for number in range(products)]
        self._quality = self._random.uniform(2.0, 4.8, products)
        self._log_size = math.log(SIZE) + PRODUCT_SPREAD * self._random.standard_normal(products)
        self._price = np.zeros(products)
        self._discount = np.zeros(products)
        self._reviews = self._random.integers(5, 200, products)
        self._sales = self._random.integers(0, 500, products)
        self._stock = np.zeros(products, dtype=np.int64)

    def listings(self, bad_share: float = 0.0) -> Iterator[ShopListing]:
        """Day after day, every product; `bad_share` of the states have one of the FAULTS."""
        for day in range(self._days):
            for product in range(len(self._category)):
                listing = self._listing(product, day)
                if bad_share and self._random.random() < bad_share:
                    fault = FAULTS[int(self._random.integers(len(FAULTS)))]
                    listing = ShopListing(listing.payload | fault, listing.wanted)
                yield listing

    def _listing(self, product: int, day: int) -> ShopListing:
        """The state that a day of sales has left. Price and discount hold for the day that follows it."""
        phase = day + 3 * product  # products do not change their prices on the same day
        if day:
            self._sell(product, self._mean(product, day))
        if day == 0 or phase % PRICE_DAYS == 0:
            scale = SCALES[self._category[product]]
            self._price[product] = round(scale * self._random.uniform(0.4, 2.0), 2)
        if day == 0 or phase % 7 == 0:
            is_promoted = self._random.random() < PROMOTED_SHARE
            self._discount[product] = self._random.choice(PROMOTIONS) if is_promoted else 0.0
        if day == 0 or phase % DELIVERY_DAYS == 0:
            self._stock[product] += round(
                COVER_DAYS * self._mean(product, day) * self._random.uniform(0.8, 2.5)
            )
        time = self._first + timedelta(days=day)
        payload: dict[str, object] = {
            "event_id": f"sim-{self._run}-{product}-{day}",
            "event_time": time.isoformat(),
            "ProductID": product + 1,
            "ProductName": f"{self._category[product].title()} {product + 1}",
            "Category": self._category[product],
            "Price": float(self._price[product]),
            "Rating": self._rating(product),
            "NumReviews": int(self._reviews[product]),
            "StockQuantity": int(self._stock[product]),
            "Discount": float(self._discount[product]) / 100,
            "Sales": int(self._sales[product]),
            "DateAdded": f"{self._first - timedelta(days=1):%Y-%m-%d}",
        }
        return ShopListing(payload, self._mean(product, day + 1))

    def _rating(self, product: int) -> float:
        return round(float(self._quality[product]), 1)

    def _mean(self, product: int, day: int) -> float:
        """Mean of the units wanted on a day, at the present price."""
        discount = self._discount[product] / 100
        net = self._price[product] * (1 - discount)
        weekday = (self._first + timedelta(days=day)).weekday()
        logs = (
            self._log_size[product]
            - net / SCALES[self._category[product]]
            + PROMOTION_LIFT * discount
            + RATING_LIFT * (self._rating(product) - 3)
            + WEEKEND_LIFT * (weekday >= 5)
            + DRIFT_A_DAY * day
        )
        return math.exp(logs)

    def _sell(self, product: int, mean: float) -> None:
        sold = min(int(self._random.poisson(mean)), int(self._stock[product]))
        self._stock[product] -= sold
        self._sales[product] += sold
        self._reviews[product] += int(self._random.binomial(sold, REVIEW_SHARE))


@dataclass(eq=False)
class ShopFeed:
    """Publishes half a year of the shop, at a rate; `acknowledged` counts what Kafka has confirmed."""

    seed: int
    run: str
    rate: float
    seconds: float | None
    bad_share: float
    stopping: threading.Event
    acknowledged: int = 0

    def publish(self) -> None:
        """Publish until the last day, the time is over, or `stopping` is set. Raises NotAcknowledged."""
        began = time.monotonic()
        most = None if self.seconds is None else max(1, round(self.rate * self.seconds))
        at_once = max(1, min(MOST_AT_ONCE, round(self.rate)))
        shop = SampleShop(self.seed, PRODUCTS, DAYS, datetime.now(UTC), self.run)
        listings = islice(shop.listings(self.bad_share), most)
        sink = EventSink()
        while part := list(islice(listings, at_once)):
            for listing in part:
                sink.send(self._event(listing))
            sink.flush()
            self.acknowledged += len(part)
            if self.stopping.wait(max(0.0, began + self.acknowledged / self.rate - time.monotonic())):
                return

    def _event(self, listing: ShopListing) -> Event:
        payload = {"Shop": SHOP, **listing.payload}
        event_id = str(payload["event_id"])
        return Event(
            kind="listing",
            key=series_key("listing", payload, event_id),
            value=json.dumps(payload).encode(),
            event_id=event_id,
            source=f"sim:{self.run}",
            received_at=datetime.now(UTC),
        )
