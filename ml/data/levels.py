"""The level that a series is taken from: reports of markets or province-wide figures, never both."""

import pandas as pd

SERIES = ["commodity", "region"]


def of_longer_level(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of the level that has more days, for each commodity and region; of equals the markets."""
    count = rows.groupby([*SERIES, "level"]).size().reset_index(name="days_reported")
    ordered = count.sort_values(["days_reported", "level"], ascending=[False, True])
    kept = rows.merge(ordered.drop_duplicates(SERIES), on=[*SERIES, "level"])
    kept["date"] = kept["date"].astype("datetime64[ns]")
    return kept
