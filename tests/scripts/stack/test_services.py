"""The table of services against the file that starts them."""

import configparser

from scripts.stack.services import SERVICES, SUPERVISOR_FILE, modules

NAMES = [service.name for service in SERVICES]


def test_supervisor_and_services_name_the_same_programs() -> None:
    parser = configparser.RawConfigParser()
    parser.read(SUPERVISOR_FILE, encoding="utf-8")
    programs = [section.partition(":")[2] for section in parser.sections() if section.startswith("program:")]
    assert programs == NAMES
    assert list(modules()) == NAMES
