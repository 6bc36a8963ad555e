"""The level that a series is taken from: reports of markets or province-wide figures, never both."""

import pandas as pd

from lakehouse.gold.chosen_provider import CURRENT_DAYS

SERIES = ["commodity", "region"]


def of_longer_level(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of one level of each commodity and region: the one with more days, of equals the markets.

    A level whose last price is more than CURRENT_DAYS older than the newest of the series has ended. It is
    taken only where no other one is reported: an archive must not replace what is reported now.
    """
    rows = rows.assign(date=rows["date"].astype("datetime64[ns]"))
    levels = rows.groupby([*SERIES, "level"])["date"].agg(reported="size", last="max").reset_index()
    age = levels.groupby(SERIES)["last"].transform("max") - levels["last"]
    levels["has_ended"] = age > pd.Timedelta(days=CURRENT_DAYS)
    ordered = levels.sort_values(["has_ended", "reported", "level"], ascending=[True, False, True])
    return rows.merge(ordered.drop_duplicates(SERIES)[[*SERIES, "level"]], on=[*SERIES, "level"])
