"""Contracts that cannot be used: every fault of every file is reported, with file, rule and column."""

from pathlib import Path

import pytest

from conf.settings import settings
from lakehouse.contracts import contract as contract_module
from lakehouse.contracts.contract import (
    Contract,
    ContractError,
    Rule,
    check_contracts,
    contracts,
    kinds,
    read_contract,
)
from lakehouse.contracts.history_rules import with_knobs
from lakehouse.contracts.rule_names import Names
from lakehouse.contracts.sql_names import rule_faults

TIDES = """
table: silver.tides
description: Height of the tide.
grain: event
key: [event_id]
kind: tide
partition_by: [event_month]
skip_by: [event_time]
retention_hours: 168
freshness_seconds: 5
payload:
  harbour:  {type: string, required: true, description: where}
  height_m: {type: number, min: -5, max: 15, unit: m, description: how high}
offers: [is_high]
columns:
  harbour:     {type: string, description: where}
  event_month: {type: string, description: month}
rules:
  - {name: calm, severity: warn, check: "p.height_m is null or not is_high",
     message: "{p.height_m} m is high"}
"""


def tides(tmp_path: Path, *changes: tuple[str, str]) -> Path:
    text = TIDES
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file = tmp_path / "silver" / "tides.yml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text)
    return file


def test_valid_contract_gets_common_columns_and_derived_rules(tmp_path: Path):
    read = read_contract(tides(tmp_path))
    assert read.column_names[0] == "event_id" and read.column_names[-1] == "_warnings"
    names = [rule.name for rule in read.rules]
    assert names[0] == "payload_size" and names[-3:] == ["harbour_required", "height_range", "calm"]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "p.height_m is null or",
            "p.heigth_m is null or",
            r"silver/tides\.yml, rule 'calm': no column 'p\.heigth_m'",
        ),
        ("not is_high", "not is_hihg", r"silver/tides\.yml, rule 'calm': no column 'is_hihg'"),
        ("{p.height_m} m", "{hieght} m", r"rule 'calm': no column 'hieght' in: hieght"),
        ("{p.height_m} m", "{p.height_m m", r"rule 'calm': the braces do not match"),
        ("not is_high", "not (is_high", r"rule 'calm': no SQL expression \(Expecting \)\)"),
        ("not is_high", "p.harbour = 'it", r"rule 'calm': a quote is not closed"),
        ("severity: warn", "severity: wrong", r"rule 'calm': severity is 'wrong', not one of error, warn"),
        ("severity: warn", "severity: warn, reads: mind", r"rule 'calm': reads is 'mind'"),
        ("severity: warn", "severty: warn", r"rule 'calm': .*'severty'"),
        ("type: number", "type: numeric", r"field 'height_m': no such type"),
        ("description: how high", "descripton: how high", r"'height_m': .*'descripton'"),
        ("description: month}", "unit: month}", r"'event_month': .*'description'"),
        (
            "columns:\n",
            "columns:\n  malformed: {type: string, description: x}\n",
            r"column 'malformed': the name is reserved for",
        ),
        ("key: [event_id]", "key: [harbor]", r"names no column: \['harbor'\]"),
        ("grain: event", "grian: event", r"silver/tides\.yml: .*'grian'"),
    ],
)
def test_fault_is_reported_with_file_and_rule(tmp_path: Path, old: str, new: str, message: str):
    with pytest.raises(ContractError, match=message):
        read_contract(tides(tmp_path, (old, new)))


def test_file_that_is_not_yaml_is_reported(tmp_path: Path):
    with pytest.raises(ContractError, match=r"silver/tides\.yml: .*line"):
        read_contract(tides(tmp_path, ("grain: event", "grain: [event")))


def test_all_faults_of_all_files_are_reported_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    contracts()  # the common columns are read before the folder is replaced
    tides(
        tmp_path,
        ("not is_high", "not is_hihg and wind > 3"),
        ("description: how high", "descripton: how high"),
    )
    (tmp_path / "gold").mkdir()
    (tmp_path / "gold" / "winds.yml").write_text("table: gold.wind\n")
    monkeypatch.setattr(contract_module, "LAKEHOUSE", tmp_path)
    with pytest.raises(ContractError) as raised:
        check_contracts()
    message = str(raised.value)
    for part in ("'is_hihg'", "'wind'", "'descripton'", "gold/winds.yml: table is 'gold.wind'"):
        assert part in message


def test_unknown_knob_is_reported():
    rule = Rule(name="late", severity="warn", check="p.price > ${no_such_knob}", message="beyond ${nor_this}")
    contract = Contract(
        table="silver.x",
        description="x",
        grain="x",
        key=(),
        partition_by=(),
        skip_by=(),
        retention_hours=1,
        freshness_seconds=1.0,
        columns=(),
        rules=(rule,),
    )
    with pytest.raises(
        ContractError, match=r"silver\.x, rule 'late': no knob 'no_such_knob'; .*no knob 'nor_this'"
    ):
        with_knobs(contract.table, contract.rules, settings().rule_values())


def rule_of(check: str, **changes: str) -> Rule:
    return Rule(**{"name": "z", "severity": "error", "check": check, "message": "z"} | changes)


NO_NAMES = Names(frozenset(), frozenset())


def test_names_of_a_rule_that_reads_the_stream_are_not_checked():
    assert not rule_faults(rule_of("abs(z) <= 3.0", message="z is {z}", reads="stream"), NO_NAMES)
    assert rule_faults(rule_of("abs(z <= 3.0", message="z is {z}", reads="stream"), NO_NAMES)


@pytest.mark.parametrize(
    "sql", ["exists(symbols, f -> f like 'x%')", "aggregate(symbols, 0, (a, f) -> a + 1) < 9L"]
)
def test_parameters_of_a_lambda_are_not_taken_for_columns(sql: str):
    assert not rule_faults(rule_of(sql), Names(frozenset({"symbols"}), frozenset()))


def test_column_named_like_a_type_is_a_column():
    """`date` is a word of SQL; a misspelt one next to it is still reported."""
    assert rule_faults(rule_of("date is null or dat <= date"), Names(frozenset({"date"}), frozenset())) == [
        "no column 'dat' in: date is null or dat <= date"
    ]


def test_rules_of_readability_and_identity_are_not_releasable():
    """An operator cannot release what is unreadable, names nothing known or breaks identity."""
    never = {
        "payload_utf8",
        "payload_json",
        "field_twice",
        "text_whole",
        "field_type",
        "number_finite",
        "id_conflict",
        "kind_agrees",
    }
    for contract in kinds().values():
        releasable = {rule.name for rule in contract.rules if rule.releasable}
        assert not releasable & never
        assert not {
            name
            for name in releasable
            if name.endswith(("_required", "_format")) or name in ("commodity_known", "region_known")
        }
        assert all(rule.severity == "error" for rule in contract.rules if rule.releasable)
