"""The sales model that answers: read from the file that training puts in its place, again when there is a newer one."""

import logging
import threading
from pathlib import Path
from typing import Any

from conf.settings import settings
from lakehouse.sales import TRUSTED

log = logging.getLogger("lumbung.api")
Stamp = tuple[int, int, int]


class SalesModel:
    """`now()` is the champion as lakehouse/sales.py wants it; None while there is none. Only plain library types are loaded."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or settings().state_dir / "models" / "sales.skops"
        self._stamp: Stamp | None = None
        self._model: dict[str, Any] | None = None
        self._lock = threading.Lock()

    def now(self) -> dict[str, Any] | None:
        """Blocks while a new file is read (it may hold megabytes of trees); call it from a thread. A file that cannot be read
        leaves the model before it, if there was one."""
        with self._lock:
            stamp = self._stamp_now()
            if stamp != self._stamp:
                self._model = None if stamp is None else self._read()
                self._stamp = stamp
            return self._model

    @property
    def loaded(self) -> bool:
        """Whether it has been asked for and is in memory."""
        return self._model is not None

    def _stamp_now(self) -> Stamp | None:
        try:
            about = self._file.stat()
        except FileNotFoundError:
            return None
        return about.st_ino, about.st_mtime_ns, about.st_size

    def _read(self) -> dict[str, Any] | None:
        import skops.io  # a second of a core, which a service without a sales model need not spend

        try:
            found: dict[str, Any] = skops.io.load(self._file, trusted=TRUSTED)
        except Exception:  # noqa: BLE001  # whatever is wrong with the file, the service goes on without it
            log.exception("%s cannot be loaded", self._file.name)
            return self._model
        return found
