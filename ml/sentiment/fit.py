"""Fit and evaluate a polarity model: two linear models of n-grams, calibrated, which vote."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.calibration import CalibratedClassifierCV
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.metrics import accuracy_score, f1_score, recall_score
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit
from sklearn.pipeline import FeatureUnion, Pipeline
from sklearn.svm import LinearSVC

from lakehouse.sentiment.classifier import TFIDF, LexiconClassifier, TfidfClassifier, mean_probabilities
from lakehouse.sentiment.lexicon import POLARITIES, Polarity, words_of
from ml.data.panel import NothingToLearn
from ml.sentiment.labelled_file import LEAST_DATED, LabelledTexts

TEST_SHARE = 0.20
LEAST_A_CLASS = 10  # training texts of each polarity; fewer cannot be calibrated in five folds
CALIBRATION_FOLDS = 5
FOLDS = 3
SLACKS = (1.0, 0.5, 0.25, 0.1)  # candidates for C of the model of n-grams
NAIVE_BAYES_SLACK = 0.3
POWERS = (-0.25, -0.5, -0.75, -1.0)
LEAST_GAIN = 0.005  # about the standard error of a macro-F1 over 8,000 texts
ONE_LETTER_TOO = r"(?u)\b\w+\b"  # words of the pairs
HASHED_GRAMS = 2**20  # columns of each kind of n-gram
DRAWS = 1000  # of the paired bootstrap
Labels = npt.NDArray[np.str_]
Folds = Sequence[tuple[list[int], list[int]]]  # rows to fit on, rows to check on


@dataclass(frozen=True)
class Evaluation:
    """Figures of one classifier on the test texts; shares between 0 and 1."""

    name: str
    macro_f1: float
    accuracy: float
    recall: dict[Polarity, float]


@dataclass(frozen=True)
class SentimentRound:
    """A fitted model in the form of lakehouse/sentiment/classifier.py, and how it compares.

    `evaluations`: of the model, the lexicon and the most frequent polarity. `advantage_low`: lower end of the
    90 % interval of its macro-F1 less that of the lexicon.
    """

    model: dict[str, Any]
    evaluations: list[Evaluation]
    advantage_low: float
    split: str
    rows: tuple[int, int]  # training and test
    milliseconds_a_text: float
    notes: list[str]

    @property
    def passes(self) -> bool:
        """Whether the model beats the lexicon significantly."""
        return self.advantage_low > 0


def without_repeats(rows: LabelledTexts, excluded: LabelledTexts | None = None) -> LabelledTexts:
    """Each text once, its first label; none that `excluded` has too. Case and punctuation do not matter."""
    seen = {" ".join(words_of(text)) for text in excluded.texts} if excluded else set()
    kept = []
    for number, text in enumerate(rows.texts):
        key = " ".join(words_of(text))
        if key and key not in seen:
            seen.add(key)
            kept.append(number)
    unique = rows.at(kept)
    left_out = len(rows.texts) - len(kept)
    notes = [*rows.notes, f"{left_out} repeated texts were left out"] if left_out else rows.notes
    return LabelledTexts(unique.texts, unique.labels, unique.days, notes)


def split_rows(rows: LabelledTexts, seed: int) -> tuple[LabelledTexts, LabelledTexts, str]:
    """(training, test, how they were split): by time when nearly all texts are dated, else at random.

    The days of the test texts are later than those of all training texts. Raises NothingToLearn when the
    classes are too few for a split.
    """
    dated = [number for number, day in enumerate(rows.days) if day is not None]
    if len(dated) >= LEAST_DATED * len(rows.texts):
        in_order = sorted(day for day in rows.days if day is not None)
        cut = in_order[int(len(in_order) * (1 - TEST_SHARE))]
        test = [number for number in dated if (day := rows.days[number]) is not None and day >= cut]
        train = [number for number in dated if (day := rows.days[number]) is not None and day < cut]
        if train and test:
            return rows.at(train), rows.at(test), f"by time: the test texts are from {cut} or later"
    labels = np.array(rows.labels)
    if min(np.unique(labels, return_counts=True)[1]) < 2:
        raise NothingToLearn("a polarity has a single text; at least two are needed for a split")
    splitter = StratifiedShuffleSplit(1, test_size=TEST_SHARE, random_state=seed)
    train_rows, test_rows = next(splitter.split(labels, labels))
    return rows.at(train_rows), rows.at(test_rows), f"at random, {TEST_SHARE:.0%} of the texts"


class NaiveBayesSVC(LinearSVC):  # type: ignore[misc]
    """A linear model of each class against the others, on columns weighted by their log-count ratio.

    Source: Wang and Manning (2012), Baselines and Bigrams. `coef_` belongs to the columns without weights.
    """

    def fit(self, grams: Any, labels: Any, sample_weight: Any = None) -> "NaiveBayesSVC":
        """Fit on (texts, columns) counts."""
        labels = np.asarray(labels)
        self.classes_ = np.unique(labels)
        present = (grams != 0).astype(np.float64)
        models = []
        for name in self.classes_:
            with_class = 1 + present[labels == name].sum(axis=0)
            without = 1 + present[labels != name].sum(axis=0)
            ratio = np.asarray(np.log(with_class / with_class.sum()) - np.log(without / without.sum()))
            model = LinearSVC(**self.get_params())
            model.fit(grams.multiply(ratio).tocsr(), labels == name, sample_weight)
            models.append((model.coef_ * ratio, model.intercept_))
        self.coef_, self.intercept_ = map(np.vstack, zip(*models, strict=True))
        self.intercept_ = self.intercept_.ravel()
        if len(self.classes_) == 2:  # scikit-learn has one decision for two classes
            self.coef_, self.intercept_ = self.coef_[1:], self.intercept_[1:]
        self.n_features_in_ = grams.shape[1]
        return self

    def plain(self) -> LinearSVC:
        """The same fitted model as a class of the library, which a file may hold."""
        model = LinearSVC(**self.get_params())
        vars(model).update(vars(self))
        return model


def voters(seed: int, slack: float = 1.0) -> list[Pipeline]:
    """The unfitted models whose probabilities are averaged: two linear ones, calibrated.

    One has n-grams of 1 to 3 words and of 2 to 6 characters, the other words and pairs of words that are
    weighted as by naive Bayes. `slack`: C of the first.

    N-grams are hashed: a vocabulary of 175,000 of them made a file of 158 MB that took 9 s to load.
    """
    pairs = weighted_grams(ngram_range=(1, 2), token_pattern=ONE_LETTER_TOO)
    by_naive_bayes = NaiveBayesSVC(C=NAIVE_BAYES_SLACK, random_state=seed)
    return [
        Pipeline([("grams", words_and_characters()), ("linear", calibrated(linear(seed, slack)))]),
        Pipeline([("grams", pairs), ("linear", calibrated(by_naive_bayes))]),
    ]


def fitted_voters(texts: Sequence[str], labels: Sequence[str], seed: int, slack: float) -> list[Pipeline]:
    """The fitted models, of classes of the library alone."""
    models = [model.fit(texts, labels) for model in voters(seed, slack)]
    for linear_model in (model.named_steps["linear"] for model in models):
        if isinstance(linear_model.estimator, NaiveBayesSVC):
            linear_model.estimator = LinearSVC(**linear_model.estimator.get_params())
            for each in linear_model.calibrated_classifiers_:
                each.estimator = each.estimator.plain()
    return models


def linear(seed: int, slack: float) -> LinearSVC:
    """The unfitted linear model of n-grams of words and characters."""
    return LinearSVC(C=slack, class_weight="balanced", random_state=seed)


def calibrated(model: LinearSVC) -> CalibratedClassifierCV:
    """The model with probabilities, calibrated on folds that it was not fitted on."""
    return CalibratedClassifierCV(model, cv=CALIBRATION_FOLDS, ensemble=False)


def words_and_characters() -> FeatureUnion:
    """N-grams of 1 to 3 words and of 2 to 6 characters."""
    words = weighted_grams(ngram_range=(1, 3))
    return FeatureUnion(
        [("words", words), ("characters", weighted_grams(analyzer="char_wb", ngram_range=(2, 6)))]
    )


def weighted_grams(**grams: Any) -> Pipeline:
    """TF-IDF of hashed n-grams, sublinear in their number."""
    hashed = HashingVectorizer(
        n_features=HASHED_GRAMS, alternate_sign=False, norm=None, dtype=np.float32, **grams
    )
    return Pipeline([("hashed", hashed), ("weights", TfidfTransformer(sublinear_tf=True))])


def train_sentiment(rows: LabelledTexts, test: LabelledTexts | None, seed: int) -> SentimentRound:
    """Fit on the texts and compare with the lexicon on test texts, which are split off without `test`.

    Raises NothingToLearn when there are fewer than two polarities, or too few texts of one.
    """
    if test is None:
        train, tested, split = split_rows(without_repeats(rows), seed)
    else:
        tested = without_repeats(test)
        train = without_repeats(rows, excluded=tested)
        split = "by file"
    require_classes(train)
    return compare(fit_model(train, seed), train, tested, split, seed)


def fit_model(train: LabelledTexts, seed: int) -> dict[str, Any]:
    """A model fitted on the texts; its choices are made by cross-validation on them."""
    splitter = StratifiedKFold(FOLDS, shuffle=True, random_state=seed)
    folds = [
        (fitted.tolist(), checked.tolist()) for fitted, checked in splitter.split(train.labels, train.labels)
    ]
    slack = choose_slack(train, folds, seed)
    return {
        "kind": TFIDF,
        "pipelines": fitted_voters(train.texts, train.labels, seed, slack),
        "classes": sorted(set(train.labels)),
        "weights": choose_weights(train, folds, seed, slack),
    }


def choose_slack(train: LabelledTexts, folds: Folds, seed: int) -> float:
    """The C of the model of n-grams with the highest macro-F1 over the folds."""
    truth = np.array(train.labels)
    predicted = {slack: truth.copy() for slack in SLACKS}
    for fitted_on, checked_on in folds:
        grams = words_and_characters()
        columns = grams.fit_transform(train.at(fitted_on).texts)
        checked = grams.transform(train.at(checked_on).texts)
        for slack in SLACKS:
            model = linear(seed, slack).fit(columns, truth[fitted_on])
            predicted[slack][checked_on] = model.predict(checked)
    return max(SLACKS, key=lambda slack: macro_f1(truth, predicted[slack], sorted(set(train.labels))))


def choose_weights(train: LabelledTexts, folds: Folds, seed: int, slack: float) -> list[float]:
    """By what the probability of each class is multiplied: its share of texts to the power in POWERS that
    gives the highest macro-F1 over the folds, or 1 when that gains less than LEAST_GAIN.

    Without it a rare class is stated too rarely.
    """
    truth = np.array(train.labels)
    classes, counts = np.unique(truth, return_counts=True)
    probabilities = np.empty((len(truth), len(classes)))
    for fitted_on, checked_on in folds:
        part = train.at(fitted_on)
        models = fitted_voters(part.texts, part.labels, seed, slack)
        probabilities[checked_on] = mean_probabilities(models, train.at(checked_on).texts)

    def weights(power: float) -> npt.NDArray[np.float64]:
        return (counts / len(truth)) ** power

    def score(power: float) -> float:
        return macro_f1(truth, classes[np.argmax(probabilities * weights(power), axis=1)], list(classes))

    best = max(POWERS, key=score)
    power = best if score(best) >= score(0.0) + LEAST_GAIN else 0.0
    return [float(weight) for weight in weights(power)]


def require_classes(train: LabelledTexts) -> None:
    """Raises NothingToLearn unless two or three polarities have enough texts to be learned."""
    counts = {name: train.labels.count(name) for name in POLARITIES if name in train.labels}
    shown = ", ".join(f"{count} {name}" for name, count in counts.items())
    if len(counts) < 2 or min(counts.values()) < LEAST_A_CLASS:
        raise NothingToLearn(
            f"the training texts are {shown or 'none'}; two polarities with {LEAST_A_CLASS} each are needed"
        )


def compare(
    model: dict[str, Any], train: LabelledTexts, tested: LabelledTexts, split: str, seed: int
) -> SentimentRound:
    """The figures of a model, the lexicon and the most frequent polarity on the same texts."""
    truth = np.array(tested.labels)
    began = time.perf_counter()
    predicted = np.array(TfidfClassifier({**model, "version": "0"}).polarities(tested.texts))
    milliseconds = 1000 * (time.perf_counter() - began) / len(truth)
    by_words = np.array(LexiconClassifier().polarities(tested.texts))
    majority = np.full(len(truth), max(POLARITIES, key=train.labels.count))
    names: Sequence[tuple[str, Labels]] = ((TFIDF, predicted), ("lexicon", by_words), ("majority", majority))
    return SentimentRound(
        model=model,
        evaluations=[evaluation(name, truth, labels) for name, labels in names],
        advantage_low=advantage_low(truth, predicted, by_words, seed),
        split=split,
        rows=(len(train.texts), len(truth)),
        milliseconds_a_text=milliseconds,
        notes=list(dict.fromkeys([*train.notes, *tested.notes])),
    )


def evaluation(name: str, truth: Labels, predicted: Labels) -> Evaluation:
    """Macro-F1 over the polarities of the test texts, accuracy, recall of each."""
    classes = [polarity for polarity in POLARITIES if polarity in truth]
    recalls = recall_score(truth, predicted, labels=classes, average=None, zero_division=0)
    return Evaluation(
        name=name,
        macro_f1=macro_f1(truth, predicted, classes),
        accuracy=float(accuracy_score(truth, predicted)),
        recall=dict(zip(classes, map(float, recalls), strict=True)),
    )


def macro_f1(truth: Labels, predicted: Labels, classes: Sequence[str]) -> float:
    """Unweighted mean of the F1 of each polarity."""
    return float(f1_score(truth, predicted, labels=list(classes), average="macro", zero_division=0))


def advantage_low(truth: Labels, predicted: Labels, baseline: Labels, seed: int) -> float:
    """5th percentile of the difference in macro-F1 over resampled test texts, the same for both."""
    codes = [np.searchsorted(POLARITIES, labels) for labels in (truth, predicted, baseline)]
    classes = np.unique(codes[0])
    draws = np.random.default_rng(seed).integers(0, len(truth), (DRAWS, len(truth)))
    resampled = ([each[rows] for each in codes] for rows in draws)
    differences = [_f1_of_codes(t, p, classes) - _f1_of_codes(t, b, classes) for t, p, b in resampled]
    return float(np.quantile(differences, 0.05))


def _f1_of_codes(
    truth: npt.NDArray[np.int64], predicted: npt.NDArray[np.int64], classes: npt.NDArray[np.int64]
) -> float:
    """Macro-F1 by counting: scikit-learn's takes a hundred times as long, and this is called 2,000 times."""
    size = len(POLARITIES)
    table = np.bincount(size * truth + predicted, minlength=size * size).reshape(size, size)
    total = table.sum(axis=0) + table.sum(axis=1)
    scores = np.divide(2 * np.diag(table), total, out=np.zeros(size), where=total > 0)
    return float(np.mean(scores[classes]))
