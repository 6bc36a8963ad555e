"""The champion among the sales models of each shop: loaded from its file, again when that is replaced."""

import logging
import threading
from pathlib import Path
from typing import Any

from conf.settings import settings
from lakehouse.sales import TRUSTED, model_name
from serving_api.reads.snapshots import file_identity

log = logging.getLogger("lumbung.api")
Model = dict[str, Any]


class SalesModels:
    """The champion of each shop; one per process. Only plain library types are loaded from a file."""

    def __init__(self) -> None:
        self._folder = settings().state_dir / "models"
        self._of_shop: dict[str, tuple[tuple[int, int] | None, Model | None]] = {}  # with its file's identity
        self._lock = threading.Lock()

    def load(self, shop: str) -> Model | None:
        """The champion in the form of lakehouse/sales.py; None while there is none.

        Blocks while a new file is read (it may hold megabytes of trees): call it from a thread. If the file
        cannot be read, the previous model stays.
        """
        file = self._folder / f"{model_name(shop)}.skops"
        with self._lock:
            version, model = self._of_shop.get(shop, (None, None))
            newest = file_identity(file)
            if newest != version:
                model = None if newest is None else read_model(file, model)
                self._of_shop[shop] = newest, model
            return model

    @property
    def loaded(self) -> int:
        """Number of models in memory."""
        return sum(model is not None for _, model in self._of_shop.values())


def read_model(file: Path, previous: Model | None) -> Model | None:
    """The model of a file; the previous one when it cannot be read."""
    import skops.io  # takes a second, which a service without a sales model need not spend

    try:
        model: Model = skops.io.load(file, trusted=TRUSTED)
    except Exception:  # noqa: BLE001  # whatever is wrong with the file, the service continues without it
        log.exception("%s cannot be loaded", file.name)
        return previous
    return model
