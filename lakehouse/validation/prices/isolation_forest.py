"""Isolation forest over scale-free features of a price, grown on a seeded sample, evaluated in NumPy.

Its 200 trees are data (isolation_forest.npz), so that no process that scores prices loads scikit-learn: that
takes 70 MB and 1.2 s of CPU. `.venv/bin/python -m scripts.isolation_trees` grows them and writes the file.
"""

from dataclasses import dataclass
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from lakehouse.validation.windows import Floats

if TYPE_CHECKING:
    from sklearn.ensemble import IsolationForest

FILE = Path(__file__).with_suffix(".npz")
FEATURES = ("score_r", "score_g", "pace", "drift", "days_since_change")
# Changes with the sample, the features or the trees, and so does FILE.
MODEL = "forest-1"
TREES = 200
SAMPLES = 256
SEED = 20220101
REFERENCE_ROWS = 20_000


def reference_sample() -> Floats:
    """[rows, FEATURES] of a quiet series: Student-t moves (3 degrees of freedom) in units of their mean size.

    No data set is used, so the forest is the same everywhere; only the threshold is calibrated on real
    prices.
    """
    random = np.random.default_rng(SEED)

    def sizes(degrees: float) -> Floats:
        drawn = np.abs(random.standard_t(degrees, REFERENCE_ROWS))
        return np.asarray(drawn / drawn.mean())

    pace = sizes(3)
    residual = np.abs(pace + 0.5 * random.standard_normal(REFERENCE_ROWS))
    gap = 0.8 * sizes(4)
    drift = np.abs(0.6 * sizes(4) + 0.05 * pace)
    unchanged = random.geometric(0.6, REFERENCE_ROWS).astype(np.float64)
    return np.stack([0.8 * residual, gap, pace, drift, unchanged], axis=1)


@dataclass(frozen=True)
class Trees:
    """All trees side by side, [trees, nodes]; a leaf points to itself. `depth`: path length of a leaf."""

    feature: npt.NDArray[np.int64]
    threshold: Floats
    left: npt.NDArray[np.int64]
    right: npt.NDArray[np.int64]
    depth: Floats
    levels: int


@cache
def trees() -> Trees:
    """The trees of the file."""
    with np.load(BytesIO(FILE.read_bytes())) as stored:
        feature, left, right = (stored[name].astype(np.int64) for name in ("feature", "left", "right"))
        return Trees(feature, stored["threshold"], left, right, stored["depth"], int(stored["levels"]))


def fitted() -> "IsolationForest":
    """scikit-learn's forest of the reference sample.

    No `contamination`: what counts as an anomaly is a threshold on the score.
    """
    from sklearn.ensemble import IsolationForest

    return IsolationForest(n_estimators=TREES, max_samples=SAMPLES, random_state=SEED).fit(reference_sample())


def grow_trees() -> Trees:
    """The trees of scikit-learn's forest: what the file holds."""
    grown = [estimator.tree_ for estimator in fitted().estimators_]
    most = max(tree.node_count for tree in grown)
    feature, left, right = (np.zeros((TREES, most), dtype=np.int64) for _ in range(3))
    threshold, depth = np.zeros((TREES, most)), np.zeros((TREES, most))
    for nth, tree in enumerate(grown):
        nodes = np.arange(tree.node_count)
        leaf = tree.children_left < 0
        feature[nth, nodes] = np.where(leaf, 0, tree.feature)
        threshold[nth, nodes] = tree.threshold
        left[nth, nodes] = np.where(leaf, nodes, tree.children_left)
        right[nth, nodes] = np.where(leaf, nodes, tree.children_right)
        for node in nodes[~leaf]:  # parents come before their children
            depth[nth, [left[nth, node], right[nth, node]]] = depth[nth, node] + 1
        depth[nth, nodes] += np.where(leaf, average_path(tree.n_node_samples), 0.0)
    return Trees(feature, threshold, left, right, depth, max(tree.max_depth for tree in grown))


def average_path(samples: npt.ArrayLike) -> Floats:
    """Mean path length of an unsuccessful search in a binary tree of that many samples.

    Liu, Ting & Zhou 2008, eq. 1.
    """
    n = np.asarray(samples, dtype=np.float64)
    harmonic = np.log(np.maximum(n - 1, 1)) + np.euler_gamma
    return np.asarray(
        np.where(n > 2, 2 * harmonic - 2 * (n - 1) / np.maximum(n, 1), np.where(n == 2, 1.0, 0.0))
    )


def score(features: Floats) -> Floats:
    """Anomaly score 0..1 of rows of FEATURES, higher is stranger; equal to scikit-learn's -score_samples.

    NaN counts as 0.
    """
    grown = trees()
    # scikit-learn compares single-precision features
    values = np.nan_to_num(features, nan=0.0, posinf=1e30).astype(np.float32)
    each = np.arange(TREES)[:, None]
    rows = np.arange(len(values))[None, :]
    node = np.zeros((TREES, len(values)), dtype=np.int64)
    for _ in range(grown.levels):
        goes_left = values[rows, grown.feature[each, node]] <= grown.threshold[each, node]
        node = np.where(goes_left, grown.left[each, node], grown.right[each, node])
    # Row by row in memory: NumPy adds a lone column in another order, so that the last digit would differ.
    mean_depth = np.ascontiguousarray(grown.depth[each, node].T).mean(axis=1)
    return np.asarray(2.0 ** (-mean_depth / average_path(SAMPLES)))
