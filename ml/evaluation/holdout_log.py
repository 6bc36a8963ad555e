"""Record of the variants tried on a backtest and of the openings of its holdout.

The more variants are tried, the less a good score means.
"""

import json
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from lakehouse.times import utc_text

HOLDOUT = "holdout.jsonl"
VARIANTS = "variants.jsonl"


def record_opening(state: Path, **about: object) -> None:
    """Put an opening of the final holdout on record, before anything is computed on it."""
    _append(state / HOLDOUT, about)


def openings(state: Path) -> list[dict[str, object]]:
    """All openings so far, oldest first."""
    return _lines(state / HOLDOUT)


def record_variants(state: Path, fingerprints: Mapping[str, str], config: Mapping[str, object]) -> None:
    """Put each (model, fingerprint, config) on record that was not tried before."""
    known = {(line["model"], line["variant"]) for line in _lines(state / VARIANTS)}
    for model, variant in fingerprints.items():
        if (model, variant) not in known:
            _append(state / VARIANTS, {"model": model, "variant": variant, "config": config})


def variants(state: Path) -> dict[str, int]:
    """Model -> number of variants of it that were tried."""
    return dict(Counter(str(line["model"]) for line in _lines(state / VARIANTS)))


def _append(file: Path, about: Mapping[str, object]) -> None:
    line = {"at": utc_text(datetime.now(UTC)), **about}
    with file.open("a", encoding="utf-8") as log:
        log.write(json.dumps(line, default=str) + "\n")


def _lines(file: Path) -> list[dict[str, object]]:
    return (
        [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.exists() else []
    )
