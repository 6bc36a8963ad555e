"""gold.sentiment -> the posts about each stock and coin, by day."""

import pyarrow.compute as pc

from lakehouse.io.delta import open_if_exists
from lakehouse.io.log_stamps import LogStamps
from lakehouse.trading.moods import Counts, counts_of

TABLE = "gold.sentiment"
COLUMNS = ["subject", "market_date", "positive", "negative"]


class Moods:
    """The posts as the table has them.

    It is read again only when it has changed: signals of many series follow within a second.
    """

    def __init__(self) -> None:
        self._stamps = LogStamps((TABLE,))
        self._counts: Counts = {}

    def read(self) -> Counts:
        """The posts about each symbol and day."""
        stamps = self._stamps.take()
        if stamps is not None and (table := open_if_exists(TABLE)) is not None:
            of_symbols = pc.field("subject_kind") == "symbol"
            rows = table.to_pyarrow_dataset().to_table(columns=COLUMNS, filter=of_symbols)
            self._counts = counts_of(rows.to_pylist())
            self._stamps.keep(stamps)
        return self._counts
