"""What the log of every process looks like."""

import logging

from conf.runtime.logs import FORMAT, OneLine


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
