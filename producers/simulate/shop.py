"""Listings of a simulated shop whose law of demand is known. Seeded.

Units wanted of a product on a day follow a Poisson law with the mean
    size * (net price / usual price) ^ elasticity * discount * past discounts * wish * weekday * drift.
The wish moves with season and week, alike in all products of a category. The shop sees it and raises its list
prices with it, and better products cost more: units regressed on prices alone do not show the elasticity.
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

USUAL_PRICES = {"BOOKS": 40.0, "ELECTRONICS": 160.0, "SOCKS": 20.0, "WINE": 80.0}
ELASTICITIES = {"BOOKS": -2.0, "ELECTRONICS": -2.8, "SOCKS": -2.4, "WINE": -2.2}  # means of the products
ELASTICITY_SPREAD = 0.2  # sd between the products of a category
ELASTICITY_LIMITS = (-3.4, -1.6)
PRICE_LIMITS = (1.0, 499.0)
SIZE = 20.0  # units a day of a product rated 3.4 at its usual price
APPEAL = 0.25  # of log units and of log price, a point of rating
PRODUCT_SPREAD = 0.05  # sd of log units and of log price between products, which no column shows
SEASON = 0.55  # amplitude of the wish, of log units
SEASON_DAYS = 120
WEEK_SPREAD = 0.3  # sd of the wish between weeks, of log units
MARKUP = 0.45  # of log price, for a wish of 1
PRICE_SPREAD = 0.15  # sd of log list price between weeks, for no reason in demand
PROMOTIONS = (10.0, 20.0, 30.0)  # percent
PROMOTED_SHARE = 0.25  # of the weeks of a product
DISCOUNT_EFFECT = 0.4  # of log units, at a discount of 100 %, besides the lower price
PULL_FORWARD = 2.0  # of log units, lost at a mean discount of 100 % in the week before
WEEKEND_LIFT = 0.15  # of log units on Saturday and Sunday
DRIFT_A_DAY = 0.001  # of log units
COVER_DAYS = (12.0, 30.0)  # of the stock after a delivery, every two weeks: it runs out now and then
DELIVERY_DAYS = 14
REVIEW_SHARE = 0.1  # of the units sold
FAULTS = ({"Price": -1.0}, {"Rating": 7.0}, {"Discount": 8}, {"Category": None}, {"DateAdded": "soon"})
SHOP = "simulated"  # its product numbers are its own: as another shop they would replace real products
PRODUCTS = 60  # of the feed
DAYS = 180
WEEK = 7
MOST_AT_ONCE = 100  # listings that are published together


@dataclass(frozen=True)
class ShopListing:
    """One state of a product, as an old producer would send it, with the day's true mean of wanted units."""

    payload: dict[str, object]
    wanted: float


class SampleShop:
    """`products` products reported at the end of each of `days` days, the last of which ends at `until`.

    The truth by product number - 1: `category`, `elasticity` of units by the net price, `unit_cost`, `usual`
    price, `size` in units a day at that price.
    """

    def __init__(self, seed: int, products: int, days: int, until: datetime, run: str = "shop") -> None:
        self._random = np.random.default_rng(seed)
        self._days = days
        self._first = until.astimezone(UTC) - timedelta(days=days - 1)
        self._run = run
        names = list(USUAL_PRICES)
        self.category = [names[number % len(names)] for number in range(products)]
        means = np.array([ELASTICITIES[name] for name in self.category])
        drawn = means + ELASTICITY_SPREAD * self._random.standard_normal(products)
        self.elasticity = np.clip(drawn, *ELASTICITY_LIMITS)
        self._quality = self._random.uniform(2.0, 4.8, products)
        appeal = APPEAL * (self._quality - 3.4)
        noise = PRODUCT_SPREAD * self._random.standard_normal((2, products))
        self.usual = np.array([USUAL_PRICES[name] for name in self.category]) * np.exp(appeal + noise[0])
        # so that the usual price is near the one of most profit, which is cost * e / (1 + e)
        near = self._random.uniform(0.9, 1.1, products)
        self.unit_cost = np.round(self.usual * near * (1 + self.elasticity) / self.elasticity, 2)
        self.size = SIZE * np.exp(appeal + noise[1])
        self._wish = {name: self._wishes() for name in names}
        self._price = np.zeros(products)
        self._discount = np.zeros(products)
        self._discounts = np.zeros((products, days + 1))  # as shares, on each day
        self._reviews = self._random.integers(5, 200, products)
        self._sales = self._random.integers(0, 500, products)
        self._stock = np.zeros(products, dtype=np.int64)

    def _wishes(self) -> list[float]:
        """Of a category, on each day, and on the one after the last."""
        day = np.arange(self._days + 1)
        season = SEASON * np.sin(2 * math.pi * (day / SEASON_DAYS + self._random.random()))
        weeks = WEEK_SPREAD * self._random.standard_normal(self._days // WEEK + 1)
        return list(season + weeks[day // WEEK])

    def listings(self, bad_share: float = 0.0) -> Iterator[ShopListing]:
        """Day after day, every product; `bad_share` of the states have one of the FAULTS."""
        for day in range(self._days):
            for product in range(len(self.category)):
                listing = self._listing(product, day)
                if bad_share and self._random.random() < bad_share:
                    fault = FAULTS[int(self._random.integers(len(FAULTS)))]
                    listing = ShopListing(listing.payload | fault, listing.wanted)
                yield listing

    def _listing(self, product: int, day: int) -> ShopListing:
        """The state that a day of sales has left. Price and discount hold for the day that follows it."""
        phase = day + 3 * product  # products do not begin promotions on the same day
        if day:
            self._sell(product, self._mean(product, day))
        if day == 0 or (day + 1) % WEEK == 0:
            logs = MARKUP * self._wish[self.category[product]][day + 1]
            logs += PRICE_SPREAD * self._random.standard_normal()
            self._price[product] = round(
                float(np.clip(self.usual[product] * math.exp(logs), *PRICE_LIMITS)), 2
            )
        if day == 0 or phase % WEEK == 0:
            is_promoted = self._random.random() < PROMOTED_SHARE
            self._discount[product] = self._random.choice(PROMOTIONS) if is_promoted else 0.0
        self._discounts[product, day + 1] = self._discount[product] / 100
        wanted = self._mean(product, day + 1)
        if day == 0 or phase % DELIVERY_DAYS == 0:
            filled = round(wanted * self._random.uniform(*COVER_DAYS))
            self._stock[product] = max(int(self._stock[product]), filled)
        time = self._first + timedelta(days=day)
        payload: dict[str, object] = {
            "event_id": f"sim-{self._run}-{product}-{day}",
            "event_time": time.isoformat(),
            "ProductID": product + 1,
            "ProductName": f"{self.category[product].title()} {product + 1}",
            "Category": self.category[product],
            "Price": float(self._price[product]),
            "Rating": self._rating(product),
            "NumReviews": int(self._reviews[product]),
            "StockQuantity": int(self._stock[product]),
            "Discount": float(self._discount[product]) / 100,
            "Sales": int(self._sales[product]),
            "DateAdded": f"{self._first - timedelta(days=1):%Y-%m-%d}",
        }
        return ShopListing(payload, wanted)

    def _rating(self, product: int) -> float:
        return round(float(self._quality[product]), 1)

    def _mean(self, product: int, day: int) -> float:
        """Mean of the units wanted on a day, at the present price."""
        discount = self._discounts[product, day]
        net = self._price[product] * (1 - discount)
        weekday = (self._first + timedelta(days=day)).weekday()
        logs = (
            math.log(self.size[product])
            + self.elasticity[product] * math.log(net / self.usual[product])
            + DISCOUNT_EFFECT * discount
            - PULL_FORWARD * float(self._discounts[product, max(day - WEEK, 0) : day].sum()) / WEEK
            + self._wish[self.category[product]][day]
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
