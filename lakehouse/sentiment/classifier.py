"""Which classifier states the polarity of a text: the word list, or the champion that beats it.

A model is a dict of plain library types, as its file holds it. Keys of every model: `kind` (a name of
CLASSIFIERS), `version`, `run_id`. A further kind, such as a transformer, is a class with the attributes of
PolarityClassifier and an entry of CLASSIFIERS; the training that writes its file passes the same gate.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from lakehouse.sentiment.lexicon import Polarity, lexicon_polarity

LEXICON = "lexicon"
LEXICON_VERSION = "1"  # of lexicon.yml and its rules; a new one computes gold.sentiment again
TFIDF = "tfidf_svc"
# Types that a model file may hold in addition to the library's own list. Loading refuses any other.
TRUSTED = ["sklearn.calibration._CalibratedClassifier", "sklearn.calibration._SigmoidCalibration"]


class PolarityClassifier(Protocol):
    """States the polarity of texts. `name` and `version` identify it in tables and answers."""

    name: str
    version: str

    def polarities(self, texts: Sequence[str]) -> list[Polarity]:
        """One polarity per text."""


class LexiconClassifier:
    """The word list."""

    name = LEXICON
    version = LEXICON_VERSION

    def polarities(self, texts: Sequence[str]) -> list[Polarity]:
        """One polarity per text."""
        return [lexicon_polarity(text) for text in texts]


class TfidfClassifier:
    """Fitted linear models of n-grams with calibrated probabilities.

    Keys of its model: `pipelines`, `classes` (the polarity of each column of their probabilities), `weights`
    (by what each column is multiplied). A model of an earlier version has one `pipeline` and no weights.
    """

    name = TFIDF

    def __init__(self, model: Mapping[str, Any]) -> None:
        self.version: str = model["version"]
        self._pipelines = model.get("pipelines") or [model["pipeline"]]
        self._classes: list[Polarity] = list(model["classes"])
        self._weights = np.array(model.get("weights", 1.0))

    def polarities(self, texts: Sequence[str]) -> list[Polarity]:
        """The most probable polarity of each text."""
        if not texts:
            return []
        columns = np.argmax(mean_probabilities(self._pipelines, texts) * self._weights, axis=1)
        return [self._classes[column] for column in columns]


def mean_probabilities(pipelines: Sequence[Any], texts: Sequence[str]) -> npt.NDArray[np.float64]:
    """(texts, classes) mean of the probabilities of fitted pipelines with the same classes."""
    each = [pipeline.predict_proba(list(texts)) for pipeline in pipelines]
    return np.asarray(np.mean(each, axis=0), np.float64)


CLASSIFIERS: dict[str, Callable[[Mapping[str, Any]], PolarityClassifier]] = {TFIDF: TfidfClassifier}


def classifier_of(model: Mapping[str, Any] | None) -> PolarityClassifier:
    """The classifier of a model; the word list without one. Raises KeyError for a kind not registered."""
    return CLASSIFIERS[model["kind"]](model) if model else LexiconClassifier()
