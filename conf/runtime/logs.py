"""The log format of every process."""

import logging

from conf.settings import settings

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def configure_logging(level: str | int | None = None) -> None:
    """Log to stderr at `level`, else at the knob `log_level`."""
    logging.basicConfig(level=settings().log_level if level is None else level, format=FORMAT)
