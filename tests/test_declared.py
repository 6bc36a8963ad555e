"""Declarations in YAML are complete: contracts have meanings and units, knobs have fields and comments."""

import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from conf.settings import REPO, Settings
from lakehouse.contracts.contract import ContractError, contracts, read_contract
from scripts.stack.services import BY_NAME, modules


@pytest.mark.parametrize("table", sorted(contracts()))
def test_every_column_has_a_description_and_every_measure_a_unit(table: str):
    columns = contracts()[table].columns
    assert columns
    assert not [column.name for column in columns if not column.description.strip()]
    places = {"partition", "offset", "batch_id", "generation"}  # positions, not measures
    measures = [
        column
        for column in columns
        if column.type in ("double", "bigint", "int", "timestamp", "date", "binary")
    ]
    assert not [column.name for column in measures if not column.unit and column.name not in places]


@pytest.mark.parametrize("table", sorted(contracts()))
def test_every_table_declares_meaning_key_freshness_and_retention(table: str):
    contract = contracts()[table]
    assert contract.description.strip() and contract.grain.strip() and contract.key
    assert contract.freshness_seconds > 0 and contract.retention_hours > 0


def test_broken_contract_is_named(tmp_path: Path):
    folder = tmp_path / "silver"
    folder.mkdir()
    file = folder / "fish.yml"
    file.write_text("table: silver.birds\ndescription: x\n")
    with pytest.raises(ContractError, match=r"silver/fish.yml.*silver\.fish"):
        read_contract(file)


def test_knobs_and_fields_of_settings_agree():
    """Besides sections only log_level and language are knobs; other settings are folders or variables."""
    knobs = yaml.safe_load((REPO / "conf" / "lumbung.yml").read_text(encoding="utf-8"))
    sections = {
        name: field.annotation
        for name, field in Settings.model_fields.items()
        if _is_section(field.annotation)
    }
    assert set(knobs) == {"log_level", "language", *sections}
    for name, model in sections.items():
        assert set(knobs[name]) == set(model.model_fields), name


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def test_every_knob_has_a_comment_or_a_unit_in_its_name():
    """A knob without a comment has a name that ends in its unit."""
    units = (
        "seconds",
        "milliseconds",
        "minutes",
        "hours",
        "days",
        "mb",
        "bytes",
        "events",
        "per_second",
        "host",
        "port",
    )
    bare = []
    for line in (REPO / "conf" / "lumbung.yml").read_text(encoding="utf-8").splitlines():
        match = re.match(r"  (\w+): [^#]*$", line)
        if match and not match[1].endswith(units):
            bare.append(match[1])
    assert not bare


def test_compose_runs_the_services_of_supervisor_and_publishes_on_loopback_only():
    """Kafka is an image in compose and a child process elsewhere."""
    compose = yaml.safe_load((REPO / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    started = {name: part["command"][2] for name, part in compose.items() if name not in ("kafka", "setup")}
    assert started == {
        name: module for name, module in modules().items() if name in BY_NAME and name != "broker"
    }
    published = [port for part in compose.values() for port in part.get("ports", [])]
    assert published and all(port.startswith("127.0.0.1:") for port in published)
