"""The log format of every process."""

import logging
import re

from conf.settings import settings

FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"
NEVER_IN_DETAIL = ("aiosqlite", "sqlalchemy")  # they log the values of statements: addresses and digests
# Line breaks, terminal sequences and what some viewers take for a line break: they could forge a log line.
CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escaped(text: str) -> str:
    """The text with every control character as its escape sequence."""
    return CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


class OneLine(logging.Formatter):
    """A record is one line, whatever text from outside it holds. Lines of a traceback are indented."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        record.message = escaped(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: object) -> str:
        text = super().formatException(ei)  # type: ignore[arg-type]
        return "\n".join(f"    {escaped(line)}" for line in text.split("\n"))


def configure_logging(level: str | int | None = None) -> None:
    """Log to stderr at `level`, else at the knob `log_level`."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(FORMAT))
    for name in NEVER_IN_DETAIL:
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.basicConfig(level=settings().log_level if level is None else level, handlers=[handler])
