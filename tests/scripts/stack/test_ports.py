"""The ports of a stack: which knob names each, and two that are equal."""

import os
import socket
from pathlib import Path

import pytest

from conf.settings import settings
from scripts.stack import ports
from scripts.stack.throwaway import Stack, free_ports


def test_held_port_is_named_with_its_knob_and_variable(lone_home: Path, monkeypatch: pytest.MonkeyPatch):
    numbers = free_ports(4)
    monkeypatch.setenv("LUMBUNG_KAFKA__BOOTSTRAP", f"127.0.0.1:{numbers[0]}")
    knobs = ("LUMBUNG_KAFKA__CONTROLLER_PORT", "LUMBUNG_MQTT__PORT", "LUMBUNG_API__PORT")
    for variable, number in zip(knobs, numbers[1:], strict=True):
        monkeypatch.setenv(variable, str(number))
    settings.cache_clear()
    assert ports.faults() == []
    with socket.create_server(("127.0.0.1", numbers[3])):
        (fault,) = ports.faults()
    assert f"port {numbers[3]} for API is held by pid {os.getpid()}" in fault
    assert "api.port" in fault and "LUMBUNG_API__PORT" in fault


def test_split_ports_are_checked_like_the_others(lone_home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_API__SPLIT_PORTS", "true")
    monkeypatch.setenv("LUMBUNG_API__ADMIN_PORT", str(settings().api.port))
    settings.cache_clear()
    knobs = {port.knob for port in ports.wanted()}
    assert {"api.port", "api.ai_port", "api.admin_port"} <= knobs
    (fault,) = ports.equal_ports()
    assert "LUMBUNG_API__ADMIN_PORT" in fault


def test_two_uses_of_one_port_are_refused_before_the_start(tmp_path: Path):
    stack = Stack(tmp_path / "home")
    stack.env["LUMBUNG_API__PORT"] = stack.bootstrap.partition(":")[2]
    done = stack.run("up")
    assert done.returncode == 2
    assert "LUMBUNG_API__PORT" in done.stderr and "LUMBUNG_KAFKA__BOOTSTRAP" in done.stderr
    assert not (stack.home / "run").exists()
