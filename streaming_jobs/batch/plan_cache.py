"""A transformation resolved once and reused: resolving a wide plan costs up to a second a batch."""

from collections.abc import Callable
from typing import Any

from pyspark.sql import DataFrame, SparkSession


class ResolvedOnce:
    """`build` (a chain of selects and filters over one frame) applied to frame after frame.

    Spark gives the frames of one streaming query the same column ids, so the resolved plan of the first frame
    serves the others with its leaf replaced. Any other frame is resolved again: the same rows, only slower.
    """

    def __init__(self, spark: SparkSession, build: Callable[[DataFrame], DataFrame]) -> None:
        self._spark = spark
        self._build = build
        self._plan: Any = None
        self._columns = ""

    def __call__(self, frame: DataFrame) -> DataFrame:
        leaf = _analyzed(frame)
        if not leaf.children().isEmpty():  # a frame with a plan of its own, not the rows of a micro-batch
            return self._build(frame)
        columns = leaf.output().toString()
        if self._plan is None or columns != self._columns:
            transformed = self._build(frame)
            self._plan = _analyzed(transformed)
            self._columns = columns
            return transformed
        plan = self._with_leaf(self._plan, leaf)
        datasets = self._spark._jvm.org.apache.spark.sql.classic.Dataset
        return DataFrame(datasets.ofRows(self._spark._jsparkSession, plan), self._spark)

    def _with_leaf(self, node: Any, leaf: Any) -> Any:
        """The plan with its one leaf replaced; every node above has exactly one child."""
        below = node.children()
        if below.isEmpty():
            return leaf
        child = self._with_leaf(below.head(), leaf)
        return node.withNewChildren(self._spark._jvm.PythonUtils.toSeq([child]))


def _analyzed(frame: DataFrame) -> Any:
    return frame._jdf.queryExecution().analyzed()
