"""The file of the champion among the sentiment models."""

from pathlib import Path
from typing import Any

from conf.settings import settings
from lakehouse.sentiment.classifier import TRUSTED


def sentiment_model_file() -> Path:
    """Where training keeps the champion for those that serve it."""
    return settings().state_dir / "models" / "sentiment.skops"


def load_sentiment_model() -> dict[str, Any] | None:
    """The champion; None while there is none. Only plain library types are loaded from the file."""
    file = sentiment_model_file()
    if not file.exists():
        return None
    import skops.io  # takes a second, which a process without a sentiment model need not spend

    model: dict[str, Any] = skops.io.load(file, trusted=TRUSTED)
    return model
