"""What is declared in YAML holds together: contracts say meaning and unit, knobs match their fields and give reasons."""

import configparser
import re
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from conf.settings import REPO, Settings
from lakehouse.contract import ContractError, contracts, read_contract


@pytest.mark.parametrize("table", sorted(contracts()))
def test_every_column_says_what_it_is_and_every_measure_its_unit(table: str):
    columns = contracts()[table].columns
    assert columns
    assert not [column.name for column in columns if not column.says.strip()]
    places = {"partition", "offset", "batch_id", "generation"}  # positions, not measures
    measures = [column for column in columns if column.type in ("double", "bigint", "int", "timestamp", "date", "binary")]
    assert not [column.name for column in measures if not column.unit and column.name not in places]


@pytest.mark.parametrize("table", sorted(contracts()))
def test_every_table_says_what_it_is_fresh_and_kept_for(table: str):
    contract = contracts()[table]
    assert contract.says.strip() and contract.grain.strip() and contract.key
    assert contract.freshness_seconds > 0 and contract.retention_hours > 0


def test_a_broken_contract_is_named(tmp_path: Path):
    folder = tmp_path / "silver"
    folder.mkdir()
    file = folder / "fish.yml"
    file.write_text("table: silver.birds\nsays: x\n")
    with pytest.raises(ContractError, match=r"silver/fish.yml.*silver\.fish"):
        read_contract(file)


def test_every_knob_is_a_field_and_every_field_a_knob():
    """Beside sections, only log_level is a knob; the rest of Settings is where things lie and short names."""
    knobs = yaml.safe_load((REPO / "conf" / "lumbung.yml").read_text(encoding="utf-8"))
    sections = {name: field.annotation for name, field in Settings.model_fields.items() if _is_section(field.annotation)}
    assert set(knobs) == {"log_level", *sections}
    for name, model in sections.items():
        assert set(knobs[name]) == set(model.model_fields), name


def _is_section(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def test_every_knob_has_its_reason_or_unit_beside_it():
    """A name that ends in its unit may stand alone; any other knob has words."""
    units = ("seconds", "milliseconds", "minutes", "hours", "days", "mb", "bytes", "events", "per_second", "host", "port")
    bare = []
    for line in (REPO / "conf" / "lumbung.yml").read_text(encoding="utf-8").splitlines():
        found = re.match(r"  (\w+): [^#]*$", line)
        if found and not found[1].endswith(units):
            bare.append(found[1])
    assert not bare


def test_supervisor_and_compose_run_the_same_parts():
    """Program -> module, in both; Kafka is an image there and a child process here."""
    supervised = configparser.RawConfigParser()
    supervised.read(REPO / "conf" / "supervisord.conf")
    here = {s.removeprefix("program:"): supervised[s]["command"].split(" -m ")[1] for s in supervised if s.startswith("program:")}
    compose = yaml.safe_load((REPO / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    there = {name: part["command"][2] for name, part in compose.items() if name not in ("kafka", "setup")}
    here.pop("broker")
    assert here == there
    published = [port for part in compose.values() for port in part.get("ports", [])]
    assert published and all(port.startswith("127.0.0.1:") for port in published)
