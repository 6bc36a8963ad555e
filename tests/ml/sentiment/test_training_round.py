"""A model that beats the word list serves; one that does not, and one of noise, changes nothing."""

import random
from datetime import date, timedelta
from pathlib import Path

import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.pipeline import Pipeline
from sklearn.svm import LinearSVC

from lakehouse.io.sentiment_model import load_sentiment_model, sentiment_model_file
from lakehouse.sentiment.classifier import TfidfClassifier, classifier_of
from ml import train
from ml.data.panel import NothingToLearn
from ml.sentiment.fit import fit_model, split_rows, train_sentiment, without_repeats, words_and_characters
from ml.sentiment.labelled_file import LabelledTexts, read_labelled
from ml.sentiment.training_round import file_of, run
from tests.support.command_lines import exit_code
from tests.support.real_sets import ABSENT, DATA

NAMES = {"positif": "mawar melati kenanga", "negatif": "batu besi semen", "netral": "meja kursi lemari"}
FIRST = date(2024, 1, 1)
HEADLINES = DATA / "cnbci_headlines" / "dataset.csv"


def invented(count: int, seed: int, informative: bool = True) -> list[tuple[str, str, date]]:
    """(text, label, day): words that no list knows, which give the label away or do not."""
    rng = random.Random(seed)
    rows = []
    for number in range(count):
        label = rng.choice(sorted(NAMES))
        source = label if informative else rng.choice(sorted(NAMES))
        text = f"{rng.choice(NAMES[source].split())} nomor {rng.randrange(10**6)} di pasar"
        rows.append((text, label, FIRST + timedelta(days=number // 10)))
    return rows


def labelled_file(file: Path, rows: list[tuple[str, str, date]]) -> Path:
    file.write_text("teks,label,tanggal\n" + "".join(f"{text},{label},{day}\n" for text, label, day in rows))
    return file


@pytest.mark.usefixtures("home", "store")
def test_model_that_beats_the_lexicon_serves(tmp_path: Path) -> None:
    file = labelled_file(tmp_path / "posts.csv", invented(600, seed=1))
    assert exit_code(train.app, ["sentiment", "--data", str(file)]) == 0
    classifier = classifier_of(load_sentiment_model())
    assert classifier.name == "tfidf_svc"
    assert classifier.polarities(["mawar di pasar", "besi di pasar", "kursi"]) == [
        "positif",
        "negatif",
        "netral",
    ]
    assert classifier.polarities([]) == []


@pytest.mark.usefixtures("home", "store")
def test_model_of_noise_does_not_serve(tmp_path: Path) -> None:
    """The word list calls these texts neutral; a model of noise is no better, so nothing is published."""
    file = labelled_file(tmp_path / "noise.csv", invented(300, 2, informative=False))
    outcome = run(file, labelled_file(tmp_path / "test.csv", neutral(invented(100, 3))))
    assert not outcome.passes and not sentiment_model_file().exists()
    assert outcome.split == "by file"


def neutral(rows: list[tuple[str, str, date]]) -> list[tuple[str, str, date]]:
    """The rows with the labels that the word list gives them, and two that it does not."""
    return [("baik sekali", "positif", FIRST), *((text, "netral", day) for text, _, day in rows)]


@pytest.mark.usefixtures("home")
def test_stored_model_of_an_earlier_version_is_still_read() -> None:
    """One linear model, and no weights."""
    rows = invented(100, seed=6)
    linear = CalibratedClassifierCV(LinearSVC(), cv=3, ensemble=False)
    fitted = Pipeline([("grams", words_and_characters()), ("linear", linear)])
    fitted.fit([row[0] for row in rows], [row[1] for row in rows])
    model = {"kind": "tfidf_svc", "version": "1", "run_id": "x", "pipeline": fitted}
    sentiment_model_file().parent.mkdir(parents=True)
    sentiment_model_file().write_bytes(file_of(model | {"classes": list(map(str, fitted.classes_))}))
    assert classifier_of(load_sentiment_model()).polarities(["mawar di pasar"]) == ["positif"]


def test_weights_of_classes_state_a_rare_class_more_often() -> None:
    """Noise, a tenth of which is neutral: without weights it would never be stated."""
    rows = [
        row for n, row in enumerate(invented(900, 7, informative=False)) if row[1] != "netral" or n % 4 == 0
    ]
    texts = LabelledTexts([row[0] for row in rows], [row[1] for row in rows], [None] * len(rows))  # type: ignore[misc]
    model = fit_model(texts, seed=1)
    weights = dict(zip(model["classes"], model["weights"], strict=True))
    assert weights["netral"] > max(weights["positif"], weights["negatif"])
    stated = TfidfClassifier({**model, "version": "1"}).polarities(texts.texts)
    assert stated.count("netral") > TfidfClassifier({**model, "version": "1", "weights": 1.0}).polarities(
        texts.texts
    ).count("netral")


def test_split_is_by_time_and_without_texts_of_both_sides() -> None:
    rows = invented(200, seed=4)
    repeated = [
        *rows,
        *((text.upper() + "!", label, day + timedelta(days=40)) for text, label, day in rows[:20]),
    ]
    texts = LabelledTexts(
        texts=[row[0] for row in repeated],
        labels=[row[1] for row in repeated],  # type: ignore[misc]
        days=[row[2] for row in repeated],
    )
    train_rows, test_rows, _ = split_rows(without_repeats(texts), seed=1)
    assert len(train_rows.texts) + len(test_rows.texts) == 200
    assert max(filter(None, train_rows.days)) < min(filter(None, test_rows.days))


def test_too_few_texts_are_refused() -> None:
    rows = invented(12, seed=5)
    texts = LabelledTexts([row[0] for row in rows], [row[1] for row in rows], [None] * 12)  # type: ignore[misc]
    with pytest.raises(NothingToLearn, match="two polarities with 10 each"):
        train_sentiment(texts, None, seed=1)


@pytest.mark.parametrize(
    "arguments",
    [["sentiment"], ["sentiment", "--data", "x.csv", "--quick"], ["price", "--test", "x.csv"]],
)
def test_wrong_options_are_refused(arguments: list[str]) -> None:
    assert exit_code(train.app, arguments) == 2


@pytest.mark.slow
@pytest.mark.skipif(not HEADLINES.exists(), reason=ABSENT)
def test_published_headlines_reach_the_goal() -> None:
    trained = train_sentiment(read_labelled(HEADLINES), None, seed=7)
    by_name = {each.name: each for each in trained.evaluations}
    assert trained.passes
    assert by_name["tfidf_svc"].macro_f1 >= 0.85 > by_name["lexicon"].macro_f1 > by_name["majority"].macro_f1
