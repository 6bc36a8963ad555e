"""Every message of the command line has an Indonesian text with the same values; data has none."""

import importlib
from collections.abc import Iterator
from typing import Any, get_args, get_type_hints

import typer

from lakehouse.io import process_status, training_jobs
from lakehouse.translation import catalog, in_indonesian, in_language, placeholders
from scripts.cli import VERBS, app
from tests.scripts.shown_messages import normal, templates

# Data and commands, which are the same in every language.
NO_MESSAGES = {
    "payload: {}",
    "base64 {}",
    "chmod 600 {}",
    "remedy: ./run.sh setup",
    "./run.sh rebuild silver",
    "./run.sh rebuild checkpoint",
    "export MQTT_TLS_CERT={}",
    "export MQTT_TLS_KEY={}",
    "export MQTT_TLS_CA={}",
    "./run.sh status    ./run.sh reconcile    ./run.sh logs stream",
    "lumbung {}",
    "{}/api/public/commodity/price/live?commodity=cabai-rawit-merah",
    "{}/api/public/forecast?commodity=cabai-rawit-merah&region=Jawa%20Barat",
    './run.sh query "select commodity, region, price_idr, change_pct from gold.live_prices limit 10"',
}
KNOWN = {normal(template) for template in catalog()}
LOOP = "another training round runs (pid 12); nothing to do"


def test_every_message_of_the_command_line_is_in_the_catalog():
    """A missing one belongs in lakehouse/translations/messages.yml; the file that shows it is named."""
    missing = {text: file for text, file in templates().items() if text not in KNOWN | NO_MESSAGES}
    assert missing == {}


def test_every_translation_has_the_values_of_the_message():
    other = [
        english
        for english, indonesian in catalog().items()
        if sorted(placeholders(english)) != sorted(placeholders(indonesian))
    ]
    assert other == []


def help_texts(command: Any) -> Iterator[str]:
    """Help of a Typer command, of its parameters and its subcommands, each in one line."""
    texts = (getattr(item, "help", None) for item in (command, *command.params))
    yield from (" ".join(text.split()) for text in texts if text)
    for subcommand in getattr(command, "commands", {}).values():
        yield from help_texts(subcommand)


def all_help_texts() -> set[str]:
    """Of every verb."""
    texts = set(help_texts(typer.main.get_command(app)))
    for verb in VERBS:
        module = importlib.import_module(verb.module)
        texts |= set(help_texts(typer.main.get_command(module.app)))
    return texts


def test_every_help_text_is_in_the_catalog():
    """A missing one belongs in lakehouse/translations/help.yml."""
    missing = [text for text in all_help_texts() if in_indonesian(text) == text != catalog().get(text)]
    assert missing == []


def test_states_of_processes_and_jobs_are_in_the_catalog():
    statuses = (
        process_status.StreamStatus,
        process_status.BackgroundGoldStatus,
        process_status.TrainerStatus,
    )
    states = {state for status in statuses for state in get_args(get_type_hints(status)["state"])}
    assert set(training_jobs.STATUS_TEXTS) == set(get_args(training_jobs.Status))
    assert states | {*training_jobs.STATUS_TEXTS.values(), "ready", "down"} <= set(catalog())


def test_values_are_kept_and_translated_where_they_are_messages():
    english = (
        "port 8000 for API is held by a process of another user: stop it, or choose another port: api.port "
        "in conf/lumbung.yml, or LUMBUNG_API__PORT"
    )
    assert in_indonesian(english) == (
        "port 8000 untuk API dipakai oleh proses milik pengguna lain: hentikan, atau pilih port lain: "
        "api.port di conf/lumbung.yml, atau LUMBUNG_API__PORT"
    )
    assert in_indonesian(LOOP) == (
        "putaran pelatihan lain sedang berjalan (pid 12); tidak ada yang perlu dikerjakan"
    )


def test_lines_and_parts_are_translated_by_themselves():
    assert in_indonesian("gold.x: commit 3 is empty\n  remedy: read the log") == (
        "gold.x: commit 3 kosong\n  perbaikan: read the log"
    )


def test_text_outside_the_catalog_and_english_stay_as_they_are():
    assert in_indonesian("Traceback of something else") == "Traceback of something else"
    assert in_language(LOOP, "en") == LOOP
    entries = "markets:\n  - market: pasar baru\n    kind: market\n    state: open"
    assert in_indonesian(entries) == entries, "entries to copy into a YAML file"
