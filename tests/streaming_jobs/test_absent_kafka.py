"""Kafka does not answer while the stream starts: supervisord starts it again; after a refusal it does not."""

import configparser
from pathlib import Path

import pytest

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused
from conf.settings import REPO, settings
from scripts.stack.throwaway import free_ports
from streaming_jobs import run as running
from streaming_jobs.startup import checks
from tests.streaming_jobs.conftest import Stream, price


def restarted_after(code: ExitCode) -> bool:
    supervisord = configparser.ConfigParser(interpolation=None)
    supervisord.read(REPO / "scripts" / "stack" / "supervisord.conf")
    stream = supervisord["program:stream"]
    return stream["autorestart"] == "unexpected" and str(code.value) not in stream["exitcodes"].split(",")


def test_stream_is_started_again_when_kafka_does_not_answer(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    stream.send(price("a"))
    stream.run()
    monkeypatch.setenv("LUMBUNG_KAFKA__BOOTSTRAP", f"127.0.0.1:{free_ports(1)[0]}")
    settings.cache_clear()
    with pytest.raises(checks.KafkaUnavailable, match="no answer from Kafka") as absence:
        checks.refuse_on_disagreement()
    assert restarted_after(running.exit_code_of(absence.value))
    with pytest.raises(TimeoutError, match="no broker"):
        running.wait_for_kafka(seconds=0)


def test_stream_is_not_started_again_after_a_disagreement():
    assert not restarted_after(running.exit_code_of(Refused("the checkpoint is ahead of bronze")))


def test_disagreement_wins_over_an_absent_kafka(stream: Stream, monkeypatch: pytest.MonkeyPatch):
    stream.send(price("a"))
    stream.run()
    checks.rebuilding_file().write_text("{}")
    monkeypatch.setenv("LUMBUNG_KAFKA__BOOTSTRAP", f"127.0.0.1:{free_ports(1)[0]}")
    settings.cache_clear()
    with pytest.raises(Refused, match="a rebuild was not finished") as refusal:
        checks.refuse_on_disagreement()
    assert not isinstance(refusal.value, checks.KafkaUnavailable)


def test_cluster_without_a_shared_lake_is_refused(lone_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_STREAM__ENGINE", "spark")
    monkeypatch.setenv("LUMBUNG_STREAM__MASTER", "spark://127.0.0.1:7077")
    settings.cache_clear()
    with pytest.raises(Refused, match=r"is a folder of this machine: .*lake\.shared_path: true") as refusal:
        checks.refuse_unshared_lake()
    assert not restarted_after(running.exit_code_of(refusal.value))
    for name, value in (("LAKE__ROOT", "s3://bucket/lake"), ("LAKE__SHARED_PATH", "true")):
        with monkeypatch.context() as patch:
            patch.setenv(f"LUMBUNG_{name}", value)
            settings.cache_clear()
            checks.refuse_unshared_lake()
    settings.cache_clear()
