"""Rows of a Spark frame of events as one Arrow table."""

import pyarrow as pa
from py4j.protocol import Py4JJavaError  # type: ignore[import-untyped]
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

TOO_LARGE = "spark.driver.maxResultSize"  # in Spark's message
MORE_PARTS = 4


def arrow_rows(frame: DataFrame, parts: int = 1) -> pa.Table:
    """All rows of a frame with the columns of bronze.events, in any order.

    They pass through the heap of the driver. Large events may not fit into it at once: Spark then refuses
    (`spark.driver.maxResultSize`), and they are read in more parts, by offset.
    """
    try:
        if parts == 1:
            return frame.toArrow()
        chosen = (frame.filter(F.col("offset") % parts == part) for part in range(parts))
        return pa.concat_tables([rows.toArrow() for rows in chosen])
    except Py4JJavaError as error:
        if TOO_LARGE not in str(error):
            raise
    return arrow_rows(frame, parts * MORE_PARTS)
