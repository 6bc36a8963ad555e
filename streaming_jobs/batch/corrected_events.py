"""Events that landed with a corrected payload: each was validated at the place of the series that it names.

Their rows of silver keep topic and partition of the record. Which events these are stands in gold.reviews,
which is small; where they were validated follows from the columns of their rows.
"""

import pyarrow.compute as pc

from lakehouse.contracts.contract import kinds
from lakehouse.io.checkpoint import partition_counts
from lakehouse.io.delta import open_table
from streaming_jobs.batch.decisions import STATES, target_of
from streaming_jobs.batch.place import Place, kind_of_place, place_of_series, rows_at

COLUMNS = {"ProductID": "product_id"}  # of fields of series whose column of silver has another name


def validated_at(place: Place, times: pc.Expression) -> pc.Expression:
    """Which rows of silver of these times were validated at the place.

    Those of its own records and of those that were corrected to one of its series, without those that were
    corrected to a series of another place.
    """
    condition = rows_at(place)
    for (own, series_place), offsets in moved_records(place, times).items():
        records = rows_at(own) & pc.field("offset").isin(sorted(offsets))
        if series_place == place:
            condition = condition | records
        elif own == place:
            condition = condition & ~records
    return condition & times


def moved_records(place: Place, times: pc.Expression) -> dict[tuple[Place, Place], set[int]]:
    """Place of a record and place where it was validated, where these differ -> offsets, of one topic."""
    contract = kinds()[kind_of_place(place)]
    reviewed = (pc.field("kind") == contract.kind) & (pc.field("outcome") == "silver") & times
    reviewed &= (pc.field("state") == STATES["correct"]) | (pc.field("generation") > 0)
    reviews = open_table("gold.reviews").to_pyarrow_dataset()
    decided = reviews.to_table(columns=["target_record", "generation"], filter=reviewed).to_pylist()
    targets = [target for row in decided if (target := target_of(row)) and target[0] == place[0]]
    if not targets:
        return {}
    names = {name: COLUMNS.get(name, name) for name in contract.series_key}
    wanted = (pc.field("topic") == place[0]) & pc.field("offset").isin([target[2] for target in targets])
    silver = open_table(contract.table).to_pyarrow_dataset()
    rows = silver.to_table(columns=["topic", "partition", "offset", *names.values()], filter=wanted & times)
    records = {target[:3] for target in targets}
    partitions = partition_counts()
    moved: dict[tuple[Place, Place], set[int]] = {}
    for row in rows.to_pylist():
        own = (row["topic"], row["partition"])
        series_place = place_of_series(own, {name: row[column] for name, column in names.items()}, partitions)
        if series_place != own and (*own, row["offset"]) in records:
            moved.setdefault((own, series_place), set()).add(row["offset"])
    return moved
