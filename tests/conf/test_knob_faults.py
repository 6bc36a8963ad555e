"""A value that a knob cannot have ends every command with one sentence that names the variable."""

import subprocess
import sys

import pytest

from conf.knob_faults import variable_of
from conf.settings import REPO, child_environment, settings


@pytest.mark.parametrize(
    "module", ["scripts.cli up", "scripts.cli train", "scripts.cli status", "serving_api"]
)
def test_command_ends_with_one_sentence(module: str):
    done = subprocess.run(
        [sys.executable, "-m", *module.split()],
        cwd=REPO,
        env=child_environment(LUMBUNG_API__PORT="abc"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "LUMBUNG_API__PORT is 'abc': must be a whole number\n"


@pytest.mark.parametrize(
    ("variable", "value", "sentence"),
    [
        ("LUMBUNG_API__PORT", "99999", "LUMBUNG_API__PORT is '99999': must be 65535 or less"),
        ("LUMBUNG_MQTT__PORT", "0", "LUMBUNG_MQTT__PORT is '0': must be 1 or more"),
        ("API_PORT", "x", "API_PORT is 'x': must be a whole number"),
        ("LUMBUNG_KAFKA__EMBEDDED", "2", "LUMBUNG_KAFKA__EMBEDDED is '2': must be true or false"),
        ("LUMBUNG_LANGUAGE", "fr", "LUMBUNG_LANGUAGE is 'fr': must be 'en' or 'id'"),
        ("LUMBUNG_KAFKA__BOOTSTRAP", "127.0.0.1", "LUMBUNG_KAFKA__BOOTSTRAP is '127.0.0.1': "),
        ("LUMBUNG_KAFKA__BOOTSTRAP", "127.0.0.1:70000", "with ports from 1 to 65535"),
        ("LUMBUNG_API__CORS_ORIGINS", "a,b", "LUMBUNG_API__CORS_ORIGINS"),
        ("LUMBUNG_API", "a", "LUMBUNG_API"),
    ],
)
def test_sentence_names_variable_value_and_what_it_must_be(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    value: str,
    sentence: str,
) -> None:
    monkeypatch.setenv(variable, value)
    settings.cache_clear()
    with pytest.raises(SystemExit) as ended:
        settings()
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


def test_variable_of_a_knob():
    assert variable_of("kafka.bootstrap") == "LUMBUNG_KAFKA__BOOTSTRAP"
