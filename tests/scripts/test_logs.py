"""What the log of every process looks like."""

import logging
from pathlib import Path

from conf.runtime.logs import FORMAT, OneLine
from scripts.commands.logs import added_text


def test_text_from_outside_cannot_forge_a_log_line():
    forged = "DEV-1\n2026-01-01 00:00:00,000 INFO lumbung: all is well\x1b[2K\r\u2028\x85x"
    record = logging.LogRecord("lumbung.gateway", logging.INFO, "", 1, "client %s", (forged,), None)
    text = OneLine(FORMAT).format(record)
    assert len(text.splitlines()) == 1 and text.isprintable()
    assert "DEV-1\\n2026" in text and "harga é" in OneLine(FORMAT).format(
        logging.LogRecord("x", logging.INFO, "", 1, "harga é", (), None)
    )
    try:
        raise ValueError(forged)
    except ValueError as error:
        failed = (type(error), error, error.__traceback__)
    record = logging.LogRecord("x", logging.ERROR, "", 1, "failed", (), failed)
    lines = OneLine(FORMAT).format(record).split("\n")
    assert len(lines) > 2 and all(line.startswith("    ") for line in lines[1:])


def test_followed_log_is_read_on_after_it_was_rotated(tmp_path: Path) -> None:
    file = tmp_path / "stream.log"
    file.write_text("old\n")
    added = added_text(file, file.stat().st_ino, file.stat().st_size)
    with file.open("a") as log:
        log.write("next\n")
    assert next(added) == "next\n"
    file.rename(tmp_path / "stream.log.1")
    file.write_text("after the rotation\n")
    assert next(added) == "after the rotation\n"
