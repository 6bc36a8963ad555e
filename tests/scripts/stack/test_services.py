"""The table of services against the file that starts them."""

import configparser
import os
import tempfile
from pathlib import Path

import pytest

from scripts.stack import supervision
from scripts.stack.services import SERVICES, SIMULATED_BARS, SUPERVISOR_FILE, modules

NAMES = [service.name for service in SERVICES]


def test_supervisor_and_services_name_the_same_programs() -> None:
    parser = configparser.RawConfigParser()
    parser.read(SUPERVISOR_FILE, encoding="utf-8")
    programs = [section.partition(":")[2] for section in parser.sections() if section.startswith("program:")]
    assert programs == list(modules()) == [*NAMES, SIMULATED_BARS]


def test_control_socket_is_short_where_home_and_temporary_folder_are_long(
    lone_home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    long = tmp_path / ("n" * 100)
    (long / "run").mkdir(parents=True)
    monkeypatch.setenv("LUMBUNG_HOME", str(long))
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    file = supervision.socket_file()
    try:
        assert len(os.fsencode(file)) <= supervision.SOCKET_MAX_BYTES
        assert supervision.socket_file() == file
    finally:
        file.parent.rmdir()
