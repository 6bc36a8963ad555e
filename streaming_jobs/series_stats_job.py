"""silver.prices and silver.price_verdicts -> gold.series_stats, through the validator's own code."""

from datetime import datetime, timedelta

import duckdb
import pyarrow.compute as pc
from deltalake import DeltaTable

from conf.settings import settings
from lakehouse.contract import contracts
from lakehouse.gold.series_stats import CANDIDATE_WINDOW_DAYS, CANDIDATES, TABLE, Series, series_stats
from lakehouse.validation.prices import PriceValidator
from streaming_jobs.delta_sink import EPOCH, mark_of, open_table, overwrite_arrow


class SeriesStats:
    """Holds the closings that the stream's validator holds, and follows the batches that are done."""

    name = "series_stats"

    def __init__(self) -> None:
        self._begin_anew()

    def _begin_anew(self) -> None:
        self._validator = PriceValidator(settings().validation.model_dump())
        self._taken = EPOCH

    def refresh(self) -> None:
        """Take up what landed in batches that are done, and write the statistics when there was something."""
        upto = last_done()
        if upto < self._taken:  # silver was emptied
            self._begin_anew()
        if upto in (self._taken, EPOCH) and mark_of(open_table(TABLE)) == upto:
            return
        prices = open_table("silver.prices")
        columns = list(self._validator.columns)
        window = (pc.field("ingested_at") > self._taken) & (pc.field("ingested_at") <= upto)
        self._validator.load(prices.to_pyarrow_dataset().to_table(columns=columns, filter=window))
        self._taken = upto
        overwrite_arrow(series_stats(self._validator, candidates(upto)), contracts()[TABLE], "{}", upto=upto)


def last_done() -> datetime:
    """Time of the newest batch that is done with prices; 1970 when there is none."""
    done = open_table("gold.balance").to_pyarrow_dataset().to_table(columns=["ingested_at"], filter=pc.field("kind") == "price")
    newest = pc.max(done["ingested_at"]).as_py()
    return newest or EPOCH


def candidates(upto: datetime) -> set[Series]:
    """Series that go on being refused in one direction; see lakehouse/gold/series_stats.py."""
    verdicts: DeltaTable = open_table("silver.price_verdicts")
    dataset = verdicts.to_pyarrow_dataset()
    newest = dataset.to_table(columns=["market_date"], filter=pc.field("ingested_at") <= upto)["market_date"]
    since = pc.max(newest).as_py()
    if since is None:
        return set()
    window = (pc.field("ingested_at") <= upto) & (pc.field("market_date") > since - timedelta(days=CANDIDATE_WINDOW_DAYS))
    with duckdb.connect(config={"threads": 1}) as con:
        con.register("silver_price_verdicts", dataset.filter(window))
        found: set[Series] = set(con.execute(CANDIDATES).fetchall())
    return found
