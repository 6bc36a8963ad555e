"""Contracts that cannot be used: every fault of every file is told at once, with file, rule and column."""

from pathlib import Path

import pytest

from conf.settings import settings
from lakehouse import contract as contract_module
from lakehouse import expressions
from lakehouse.contract import Contract, ContractError, Rule, contracts, kinds, read_contract
from lakehouse.quality import bound

TIDES = """
table: silver.tides
says: Height of the tide.
grain: event
key: [event_id]
kind: tide
partition_by: [event_month]
skip_by: [event_time]
retention_hours: 168
freshness_seconds: 5
payload:
  harbour:  {type: string, required: true, says: where}
  height_m: {type: number, min: -5, max: 15, unit: m, says: how high}
offers: [is_high]
columns:
  harbour:     {type: string, says: where}
  event_month: {type: string, says: month}
rules:
  - {name: calm, severity: warn, check: "p.height_m is null or not is_high", message: "{p.height_m} m is high"}
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


def test_a_sound_contract_has_what_holds_for_every_kind_and_what_follows_from_its_fields(tmp_path: Path):
    read = read_contract(tides(tmp_path))
    assert read.column_names[0] == "event_id" and read.column_names[-1] == "_warnings"
    names = [rule.name for rule in read.rules]
    assert names[0] == "payload_size" and names[-3:] == ["harbour_required", "height_range", "calm"]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("p.height_m is null or", "p.heigth_m is null or", r"silver/tides\.yml, rule 'calm': no column 'p\.heigth_m'"),
        ("not is_high", "not is_hihg", r"silver/tides\.yml, rule 'calm': no column 'is_hihg'"),
        ("{p.height_m} m", "{hieght} m", r"rule 'calm': no column 'hieght' in: hieght"),
        ("{p.height_m} m", "{p.height_m m", r"rule 'calm': the braces do not match"),
        ("not is_high", "not (is_high", r"rule 'calm': the brackets do not match"),
        ("not is_high", "p.harbour = 'it", r"rule 'calm': a quote is not closed"),
        ("severity: warn", "severity: wrong", r"rule 'calm': severity is 'wrong', not one of error, warn"),
        ("severity: warn", "severity: warn, reads: mind", r"rule 'calm': reads is 'mind'"),
        ("severity: warn", "severty: warn", r"rule 'calm': .*'severty'"),
        ("type: number", "type: numeric", r"field 'height_m': no such type"),
        ("says: how high", "sais: how high", r"'height_m': .*'sais'"),
        ("says: month}", "unit: month}", r"'event_month': .*'says'"),
        ("columns:\n", "columns:\n  text: {type: string, says: x}\n", r"column 'text': the name stands for"),
        ("key: [event_id]", "key: [harbor]", r"names no column: \['harbor'\]"),
        ("grain: event", "grian: event", r"silver/tides\.yml: .*'grian'"),
    ],
)
def test_a_fault_is_named(tmp_path: Path, old: str, new: str, told: str):
    with pytest.raises(ContractError, match=told):
        read_contract(tides(tmp_path, (old, new)))


def test_a_file_that_is_no_yaml_is_named(tmp_path: Path):
    with pytest.raises(ContractError, match=r"silver/tides\.yml: .*line"):
        read_contract(tides(tmp_path, ("grain: event", "grain: [event")))


def test_all_faults_of_all_files_are_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    contracts()  # what every kind has is known before the folder is exchanged
    tides(tmp_path, ("not is_high", "not is_hihg and wind > 3"), ("says: how high", "sais: how high"))
    (tmp_path / "gold").mkdir()
    (tmp_path / "gold" / "winds.yml").write_text("table: gold.wind\n")
    monkeypatch.setattr(contract_module, "HERE", tmp_path)
    with pytest.raises(ContractError) as raised:
        contracts.__wrapped__()
    told = str(raised.value)
    for part in ("'is_hihg'", "'wind'", "'sais'", "gold/winds.yml: table is 'gold.wind'"):
        assert part in told


def test_an_unknown_knob_is_named():
    rule = Rule("late", "warn", "p.price > ${no_such_knob}", "beyond ${nor_this}")
    made = Contract("silver.x", "x", "x", (), (), (), 1, 1.0, (), rules=(rule,))
    with pytest.raises(ContractError, match=r"silver\.x, rule 'late': no knob 'no_such_knob'; .*no knob 'nor_this'"):
        bound(made, settings().validation.model_dump())


def test_rules_that_read_the_stream_are_checked_for_their_form_only():
    names = expressions.Names(set(), set())
    assert not expressions.faults(Rule("z", "error", "abs(z) <= 3.0", "z is {z}", reads="stream"), names)
    assert expressions.faults(Rule("z", "error", "abs(z <= 3.0", "z is {z}", reads="stream"), names)


@pytest.mark.parametrize("sql", ["exists(field_names, f -> f like 'x%')", "aggregate(field_names, 0, (a, f) -> a + 1) < 9L"])
def test_parameters_of_a_lambda_are_no_columns(sql: str):
    assert not expressions.faults(Rule("x", "warn", sql, "x"), expressions.Names(set(), set()))


def test_only_doubt_can_be_let_pass():
    """What cannot be read, what names nothing that is known and what guards identity stays out whatever a person says."""
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
        loose = {rule.name for rule in contract.rules if rule.releasable}
        assert not loose & never
        assert not {
            name for name in loose if name.endswith(("_required", "_format")) or name in ("commodity_known", "region_known")
        }
        assert all(rule.severity == "error" for rule in contract.rules if rule.releasable)
