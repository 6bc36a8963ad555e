"""What the products of a shop sell over time, day by day in plain Python: periods, stock, promotions."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from fractions import Fraction
from itertools import groupby, pairwise

from conf.settings import settings
from tests.support.gold.shops import grouped, shops_of
from tests.support.gold.subject import Row, Tables

LEAST_DISCOUNT = 5
WINDOW = 14


@dataclass(frozen=True)
class SoldDay:
    """A day between two states of a product: what it sold, and its state before."""

    day: date
    ends: Row  # the state after
    begins: Row  # the state before
    units: Fraction

    @property
    def in_stock(self) -> bool:
        stocked = self.begins["stock_quantity"] > 0 and self.ends["stock_quantity"] > 0
        return stocked or not self.ends["reports_stock"]

    @property
    def is_reduced(self) -> bool:
        return bool(self.begins["discount_pct"] >= LEAST_DISCOUNT)


def sold_days(states: list[Row]) -> list[SoldDay]:
    """Each day after the first state; what was sold between two states is spread over their days."""
    return [
        SoldDay(
            before["day"] + timedelta(days=number + 1), after, before, Fraction(units_of(before, after), n)
        )
        for before, after in pairwise(states)
        for n in [(after["day"] - before["day"]).days]
        for number in range(n)
    ]


def units_of(before: Row, after: Row) -> int:
    return max(after["sales"] - before["sales"], 0)


def earned(before: Row, after: Row) -> Fraction:
    return Fraction(units_of(before, after) * before["net"])


def within(steps: Iterable[tuple[Row, Row]], newest: date, first: int, last: int) -> list[tuple[Row, Row]]:
    """Steps from state to state that end `first` to `last` days before the newest day."""
    return [step for step in steps if first <= (newest - step[1]["day"]).days <= last]


def revenue_periods(tables: Tables, newest: datetime) -> list[Row]:
    """What states of the newest 7 and 28 days added, by the category of the later state."""
    result = []
    for shop, products in shops_of(tables).items():
        every = [state for states in products.values() for state in states]
        steps = [step for states in products.values() for step in pairwise(states)]
        last, first = max(state["day"] for state in every), min(state["day"] for state in every)
        for days in (7, 28):
            recent = [state for state in every if (last - state["day"]).days < 2 * days]
            for category, states in grouped(recent, "category").items():
                own = [step for step in steps if step[1]["category"] == category]
                new, old = within(own, last, 0, days - 1), within(own, last, days, 2 * days - 1)
                if new or old:
                    is_known = first <= last - timedelta(days=2 * days)
                    shared = {"shop": shop, "category": category, "days": days, "market_date": last}
                    shared["event_time"] = max(state["event_time"] for state in states)
                    result.append(shared | period("", new) | period("_before", old if is_known else None))
    return result


def period(suffix: str, steps: list[tuple[Row, Row]] | None) -> Row:
    if steps is None:
        return {f"{name}{suffix}": None for name in ("revenue", "units", "average_net_price")}
    units, revenue = sum(units_of(*step) for step in steps), float(sum(earned(*step) for step in steps))
    price = revenue / units if units else None
    return {f"revenue{suffix}": revenue, f"units{suffix}": units, f"average_net_price{suffix}": price}


def top_products(tables: Tables, newest: datetime) -> list[Row]:
    """The 20 of a category with the most revenue; of two with the same the one of the smaller number."""
    result = []
    for shop, products in shops_of(tables).items():
        last = max(states[-1]["day"] for states in products.values())
        for category, rows in grouped((states[-1] for states in products.values()), "category").items():
            ordered = sorted(rows, key=lambda row: (-row["net"] * row["sales"], row["product_id"]))
            for rank, row in enumerate(ordered[:20], 1):
                states = products[row["product_id"]]
                steps = list(pairwise(states))
                new = within(steps, last, 0, 27) if steps else None
                reaches = steps and (last - states[0]["day"]).days >= 56
                old = within(steps, last, 28, 55) if reaches else None
                periods = period("_new", new) | period("_before", old)
                shared = {"shop": shop, "category": category, "rank": rank}
                figures = {"revenue": row["net"] * row["sales"], "units_sold": row["sales"]}
                result.append(row | shared | figures | periods)
    return result


def product_supply(tables: Tables, newest: datetime) -> list[Row]:
    """The 100 of each category that are first used up."""
    result = []
    for shop, products in shops_of(tables).items():
        rows = [supply_of(shop, states) for states in products.values() if states[-1]["reports_stock"]]
        kept = [row for own in grouped(rows, "category").values() for row in sorted(own, key=urgency)[:100]]
        result += [row | {"rank": rank} for rank, row in enumerate(sorted(kept, key=urgency), 1)]
    return result


def urgency(row: Row) -> tuple[bool, float, float, int]:
    lasts = row["days_of_supply"]
    return lasts is None, lasts or 0.0, -row["units_a_day"], row["product_id"]


def supply_of(shop: str, states: list[Row]) -> Row:
    last = states[-1]
    recent = [sold for sold in sold_days(states) if (last["day"] - sold.day).days < 28]
    in_stock = [sold for sold in recent if sold.in_stock]
    if in_stock:
        rate = float(sum(sold.units for sold in in_stock) / len(in_stock))
    else:
        rate = last["sales"] / max((last["day"] - last["date_added"]).days, 1)
    sold = float(sum(sold.units for sold in recent)) if recent else last["sales"]
    lasts = last["stock_quantity"] / rate if rate else None
    return last | {
        "shop": shop,
        "basis": "observed" if in_stock else "since_added",
        "units_a_day": rate,
        "days_of_supply": lasts,
        "order_first": lasts is not None and lasts < settings().retail.supply_alert_days,
        "alert_days": settings().retail.supply_alert_days,
        "sell_through_pct": 100 * sold / (sold + last["stock_quantity"])
        if sold + last["stock_quantity"]
        else None,
        "days_in_stock": len(in_stock) if recent else None,
        "days_sold_out": len(recent) - len(in_stock) if recent else None,
    }


def promotions(tables: Tables, newest: datetime) -> list[Row]:
    """Each run of states with a discount that follows one without."""
    return [
        row
        for shop, products in shops_of(tables).items()
        for states in products.values()
        for row in promotions_of(shop, states)
    ]


def promotions_of(shop: str, states: list[Row]) -> Iterator[Row]:
    runs = [list(run) for _, run in groupby(states, lambda state: state["discount_pct"] >= LEAST_DISCOUNT)]
    days = sold_days(states)
    for number, run in enumerate(runs):
        if number and run[0]["discount_pct"] >= LEAST_DISCOUNT:
            ended = runs[number + 1][0]["day"] if number + 1 < len(runs) else None
            following = runs[number + 2][0]["day"] if number + 2 < len(runs) else date.max
            yield promotion(shop, run, ended, following, days)


def promotion(shop: str, run: list[Row], ended: date | None, following: date, days: list[SoldDay]) -> Row:
    """`ended`: day of the first state without discount; None while it lasts. `following`: of the next."""
    began, until = run[0]["day"], ended or run[-1]["day"]
    window = timedelta(days=WINDOW)
    stocked = [sold for sold in days if sold.in_stock]
    earlier = [sold for sold in stocked if began - window < sold.day <= began and not sold.is_reduced]
    during = [sold for sold in stocked if began < sold.day <= until]
    later = [sold for sold in stocked if until < sold.day <= min(until + window, following)]
    discounts = [
        (state["discount_pct"], lasts) for state, lasts in zip(run, lengths(run, ended), strict=True)
    ]
    length = (until - began).days
    discount = (
        sum(depth * lasts for depth, lasts in discounts) / length
        if length
        else sum(state["discount_pct"] for state in run) / len(run)
    )
    before = rate(earlier)
    extra_units = extra_revenue = None
    if before is not None and during:
        after = [*during, *later]
        extra_units = float(sum(sold.units - before for sold in after))
        extra_revenue = float(
            sum(
                sold.units * Fraction(sold.begins["net"]) - before * Fraction(sold.begins["price"])
                for sold in after
            )
        )
    lift = rate(during) / before - 1 if during and before else None
    return {
        "shop": shop,
        "category": run[-1]["category"],
        "product_id": run[-1]["product_id"],
        "product_name": run[-1]["product_name"],
        "began_on": began,
        "ended_on": ended - timedelta(days=1) if ended else None,
        "days": length,
        "discount_pct": discount,
        "price": sum(state["price"] for state in run) / len(run),
        "units_before": before and float(before),
        "units_during": rate(during) and float(rate(during)),
        "units_after": rate(later) and float(rate(later)),
        "lift_units": lift and float(lift),
        "break_even_lift": 1 / (1 - discount / 100) - 1 if discount < 100 else None,
        "extra_units": extra_units,
        "extra_revenue": extra_revenue,
        "paid_off": None if extra_revenue is None else extra_revenue > 0,
        "event_time": max(
            state["event_time"] for state in [*run, *(sold.ends for sold in [*earlier, *during, *later])]
        ),
    }


def lengths(run: list[Row], ended: date | None) -> list[int]:
    """Days that each state of a promotion lasted; 0 of the newest of all."""
    ends = [state["day"] for state in run[1:]] + [ended or run[-1]["day"]]
    return [(end - state["day"]).days for state, end in zip(run, ends, strict=True)]


def rate(days: list[SoldDay]) -> Fraction | None:
    return sum((sold.units for sold in days), Fraction(0)) / len(days) if days else None
