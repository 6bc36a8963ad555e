"""The champion among the sales models of each shop: loaded from its file, again when that is replaced."""

import logging
import threading
from pathlib import Path
from typing import Any

from conf.settings import settings
from lakehouse.sales import TRUSTED, model_name
from serving_api.reads.snapshots import file_identity

log = logging.getLogger("lumbung.api")


class SalesModel:
    """Loads the champion of a shop. Only plain library types are loaded from the file."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._version: tuple[int, int] | None = None
        self._model: dict[str, Any] | None = None
        self._lock = threading.Lock()

    def load(self) -> dict[str, Any] | None:
        """The champion in the form of lakehouse/sales.py; None while there is none.

        Blocks while a new file is read (it may hold megabytes of trees): call it from a thread. If the file
        cannot be read, the previous model stays.
        """
        with self._lock:
            version = file_identity(self._file)
            if version != self._version:
                self._model = None if version is None else self._read()
                self._version = version
            return self._model

    @property
    def loaded(self) -> bool:
        """Whether a model is in memory."""
        return self._model is not None

    def _read(self) -> dict[str, Any] | None:
        import skops.io  # takes a second, which a service without a sales model need not spend

        try:
            model: dict[str, Any] = skops.io.load(self._file, trusted=TRUSTED)
        except Exception:  # noqa: BLE001  # whatever is wrong with the file, the service continues without it
            log.exception("%s cannot be loaded", self._file.name)
            return self._model
        return model


class SalesModels:
    """The champion of each shop; one per process."""

    def __init__(self) -> None:
        self._folder = settings().state_dir / "models"
        self._of_shop: dict[str, SalesModel] = {}

    def load(self, shop: str) -> dict[str, Any] | None:
        """See `SalesModel.load`."""
        if shop not in self._of_shop:
            file = self._folder / f"{model_name(shop)}.skops"
            if not file.exists():
                return None
            self._of_shop[shop] = SalesModel(file)
        return self._of_shop[shop].load()

    @property
    def loaded(self) -> int:
        """Number of models in memory."""
        return sum(model.loaded for model in self._of_shop.values())
