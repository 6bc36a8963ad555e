"""Labelled texts from a CSV or TSV file of any header: which column is the text, the label and the date."""

import csv
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cache
from io import StringIO
from pathlib import Path
from statistics import fmean
from typing import Any

import yaml

from lakehouse.sentiment.lexicon import POLARITIES, Polarity, lexicon_score
from ml.data.panel import NothingToLearn

SEPARATORS = (",", "\t", ";", "|")
LEAST_DATED = 0.95  # share of rows with a date from which the split is by time
MOST_UNKNOWN = 0.05  # share of labels that may be unknown; such rows are left out
SAMPLE_ROWS = 500  # by whose content a column without a known name is recognised
Row = list[str]


@dataclass(frozen=True)
class LabelledTexts:
    """Texts, their polarity and their day (None where the file has none), each (rows,).

    `notes`: what was left out or assumed, for the report.
    """

    texts: list[str]
    labels: list[Polarity]
    days: list[date | None]
    notes: list[str] = field(default_factory=list)

    def at(self, rows: Sequence[int]) -> "LabelledTexts":
        """These rows only."""
        return LabelledTexts(
            texts=[self.texts[row] for row in rows],
            labels=[self.labels[row] for row in rows],
            days=[self.days[row] for row in rows],
            notes=self.notes,
        )


@cache
def known_names() -> dict[str, Any]:
    """The lists of labels.yml."""
    file = Path(__file__).with_name("labels.yml")
    names: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return names


def comparable_name(text: str) -> str:
    """Small letters and digits, with a sign before a number; 1.0 is 1."""
    return re.sub(r"[^a-z0-9+-]", "", re.sub(r"\.0$", "", text.strip().lower()))


def read_labelled(file: Path) -> LabelledTexts:
    """The labelled texts of a file, duplicates included. Raises NothingToLearn with what is missing."""
    try:
        content = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise NothingToLearn(f"{file.name} is no UTF-8 text file ({type(error).__name__})") from None
    for separator in SEPARATORS:
        rows = rows_of(content, separator)
        columns = columns_of(rows)
        if columns is not None:
            return labelled_rows(file.name, rows[columns["first"] :], columns)
    raise NothingToLearn(
        f"{file.name} has no column of labels and no column of texts; "
        f"name them label and text, with labels such as positif, netral, negatif"
    )


def rows_of(content: str, separator: str) -> list[Row]:
    """The cells of each row that has any; none when the quotes of the file do not fit the separator."""
    # Most published TSV files quote nothing, and a single quotation mark would swallow the rows after it; in
    # those that quote, each quoted cell begins and ends with a mark.
    text = StringIO(content)
    unquoted = csv.reader(text, delimiter=separator, quoting=csv.QUOTE_NONE)
    reader = unquoted if separator == "\t" else csv.reader(text, delimiter=separator)
    try:
        rows = [row for row in reader if any(row)]
    except csv.Error:
        return []
    return [[_unquoted(cell) for cell in row] for row in rows] if separator == "\t" else rows


def _unquoted(cell: str) -> str:
    """The cell without the marks around it; marks within are doubled there."""
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"'
    return cell[1:-1].replace('""', '"') if is_quoted else cell


def columns_of(rows: Sequence[Row]) -> dict[str, int] | None:
    """Positions of `text`, `label` and `date` (-1 without one) and of the `first` row; None if unclear.

    A column is recognised by its name, else by its content: labels are known words or few numbers, texts are
    the longest cells.
    """
    if len(rows) < 2 or len(rows[0]) < 2:
        return None
    header = [comparable_name(name) for name in rows[0]]
    width = len(header)
    sample = [row for row in rows[1 : SAMPLE_ROWS + 1] if len(row) == width]
    if not sample:
        return None
    label = _named(header, "label", lambda at: _labels_of([row[at] for row in sample]) is not None)
    has_header = label >= 0
    if not has_header:
        label = next((at for at in range(width) if _labels_of([row[at] for row in sample]) is not None), -1)
        has_header = label >= 0 and not _is_label(rows[0][label])
    if label < 0:  # a column of labels by its name; what they are is reported
        label = _named(header, "label", lambda at: True)
        has_header = True
    text = _named(header, "text", lambda at: at != label)
    if text < 0 and label >= 0:
        lengths = {at: fmean(len(row[at]) for row in sample) for at in range(width) if at != label}
        text = max(lengths, key=lambda at: lengths[at])
    dated = _named(header, "date", lambda at: at not in (label, text))
    if label < 0 or text < 0:
        return None
    return {"text": text, "label": label, "date": dated, "first": int(has_header)}


def _named(header: Sequence[str], role: str, fits: Callable[[int], bool]) -> int:
    """Position of the column with the best of the role's names that fits; -1 without one."""
    for name in known_names()[role]:
        if name in header and fits(header.index(name)):
            return header.index(name)
    return -1


def _labels_of(values: Sequence[str]) -> dict[str, Polarity] | None:
    """Value -> polarity when nearly all values are labels; None otherwise.

    Words mean what labels.yml lists. Whole numbers other than -1, 0 and 1 mean their order.
    """
    counts = Counter(comparable_name(value) for value in values if value.strip())
    words = {word: name for name in POLARITIES for word in known_names()["polarity"][name]}
    distinct = sorted(counts)
    if distinct and all(re.fullmatch(r"[+-]?\d+", value) for value in distinct):
        numbers = {value: float(value) for value in distinct}
        levels = sorted(set(numbers.values()))
        if not set(levels) <= {-1.0, 0.0, 1.0} or levels == [0.0, 1.0]:
            return _in_order(numbers, levels)
    known = sum(count for value, count in counts.items() if value in words)
    if not counts or known < (1 - MOST_UNKNOWN) * counts.total():
        return None
    return {value: words[value] for value in distinct if value in words}


def _is_label(cell: str) -> bool:
    """Whether it is a number or a known word, and so no name of a column."""
    return re.fullmatch(r"[+-]?\d+", comparable_name(cell)) is not None or _labels_of([cell]) is not None


def _in_order(numbers: dict[str, float], levels: Sequence[float]) -> dict[str, Polarity] | None:
    """Two or three numbers as polarities, the lowest negative; None for another count."""
    scale: dict[int, tuple[Polarity, ...]] = {2: ("negatif", "positif"), 3: POLARITIES}
    if len(levels) not in scale:
        return None
    return {value: scale[len(levels)][levels.index(number)] for value, number in numbers.items()}


def labelled_rows(name: str, rows: Sequence[Row], columns: dict[str, int]) -> LabelledTexts:
    """The rows with a text and a known label. Raises NothingToLearn for labels that are not understood."""
    widest = max(columns["text"], columns["label"], columns["date"])
    whole = [row for row in rows if len(row) > widest and row[columns["text"]].strip()]
    meaning = _labels_of([row[columns["label"]] for row in whole])
    if meaning is None:
        labels = Counter(row[columns["label"]].strip()[:40] for row in whole)
        shown = ", ".join(f"'{label}'" for label, _ in labels.most_common(6))
        raise NothingToLearn(f"{name} has {len(labels)} labels ({shown}); two or three polarities are needed")
    notes = []
    keys = [comparable_name(row[columns["label"]]) for row in whole]
    kept = [(row, meaning[key]) for row, key in zip(whole, keys, strict=True) if key in meaning]
    if len(kept) < len(rows):
        notes.append(f"{len(rows) - len(kept)} of {len(rows)} rows have no text or no known label")
    texts = [row[columns["text"]].strip() for row, _ in kept]
    polarities = [polarity for _, polarity in kept]
    if all(re.fullmatch(r"[+-]?\d+", key) for key in meaning) and is_reversed(texts, polarities):
        opposite: dict[Polarity, Polarity] = {"positif": "negatif", "negatif": "positif", "netral": "netral"}
        polarities = [opposite[polarity] for polarity in polarities]
        meaning = {key: opposite[polarity] for key, polarity in meaning.items()}
    if any(key != value for key, value in meaning.items()):  # so that a wrong reading is seen
        notes.append("labels: " + ", ".join(f"{key} = {value}" for key, value in sorted(meaning.items())))
    days = [day_of(row[columns["date"]]) if columns["date"] >= 0 else None for row, _ in kept]
    return LabelledTexts(texts, polarities, days, notes)


def is_reversed(texts: Sequence[str], labels: Sequence[Polarity]) -> bool:
    """Whether the word list finds the texts labelled negative better news than those labelled positive.

    Published sets number their classes in both directions.
    """
    means = {
        polarity: fmean(scores)
        for polarity in ("positif", "negatif")
        if (
            scores := [
                max(-1, min(1, lexicon_score(text)))
                for text, label in zip(texts, labels, strict=True)
                if label == polarity
            ]
        )
    }
    return len(means) == 2 and means["positif"] < means["negatif"]


def day_of(text: str) -> date | None:
    """The day that a cell states in a form of labels.yml; None for another."""
    for form in known_names()["date_forms"]:
        try:
            return datetime.strptime(text.strip()[:10], form).date()  # noqa: DTZ007 (a day has no zone)
        except ValueError:
            continue
    return None
