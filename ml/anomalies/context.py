"""Stock, rain, arrivals and posts about scarcity in the province and the days before a price moved."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa

from lakehouse.io.query import run_sql

Place = tuple[str, str, date]  # commodity, region_code, market date
PLACE = pa.schema({"commodity": pa.string(), "region_code": pa.string(), "day": pa.date32()})
TABLES = ("silver.stocks", "silver.shipments", "silver.weather", "silver.posts")
SCARCITY = "langka|menipis|kosong|sulit didapat|kelangkaan"
# Nothing after the day itself is read.
# Cover = newest stock of each holder (14 days at most) / mean daily outflow of 7 days.
CONTEXT_SQL = """
  with stock as (
    select commodity, region_code, day, sum(quantity_kg) as stock_kg from (
      select p.*, s.quantity_kg from places p join stocks s using (commodity, region_code)
      where s.market_date <= p.day and s.market_date > p.day - 14
      qualify row_number() over (
        partition by p.commodity, p.region_code, p.day, s.entity_id order by s.event_time desc) = 1)
    group by all
  ), outflow as (
    select p.commodity, p.region_code, p.day, sum(h.quantity_kg) / 7 as kg_a_day
    from places p
    join shipments h on h.commodity = p.commodity and h.origin_region_code = p.region_code
    where h.event_time::date <= p.day and h.event_time::date > p.day - 7 group by all
  ), arrived as (
    select p.commodity, p.region_code, p.day,
      count(*) filter (h.arrived_at::date > p.day - 7) as week, count(*) as weeks
    from places p
    join shipments h on h.commodity = p.commodity and h.destination_region_code = p.region_code
    where h.arrived_at::date <= p.day and h.arrived_at::date > p.day - 35 group by all
  ), rain as (
    select p.commodity, p.region_code, p.day, max(w.rainfall_mm) as mm
    from places p join weather w using (region_code) where w.date <= p.day and w.date > p.day - 7 group by all
  ), scarce as (
    select p.commodity, p.region_code, p.day, count(*) as posts
    from places p join posts t on list_contains(t.commodities, p.commodity)
    where t.market_date <= p.day and t.market_date > p.day - 7
      and regexp_matches(lower(coalesce(t.title, '') || ' ' || t.content), $scarcity) group by all
  )
  select p.commodity, p.region_code, p.day, stock_kg / nullif(kg_a_day, 0) as stock_cover_days, mm as
  rainfall_mm, case when weeks >= 4 then week = 0 end as arrivals_stopped, posts as scarcity_posts from places
  p left join stock using (commodity, region_code, day) left join outflow using (commodity, region_code, day)
  left join arrived using (commodity, region_code, day) left join rain using (commodity, region_code, day)
  left join scarce using (commodity, region_code, day)
"""


def read_context(tables: Mapping[str, object], places: Sequence[Place]) -> dict[Place, dict[str, Any]]:
    """Place -> {stock_cover_days, rainfall_mm, arrivals_stopped, scarcity_posts}.

    None where nothing is known.

    `tables`: datasets or tables of TABLES by name.
    """
    wanted = pa.Table.from_pylist([dict(zip(PLACE.names, place, strict=True)) for place in places], PLACE)
    inputs = {"places": wanted} | {name.removeprefix("silver."): tables[name] for name in TABLES}
    rows = run_sql(CONTEXT_SQL, inputs, {"scarcity": SCARCITY}).to_pylist()
    return {(row.pop("commodity"), row.pop("region_code"), row.pop("day")): row for row in rows}
