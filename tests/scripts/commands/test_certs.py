"""`certs`: a pair of its authority serves MQTT over TLS, and a device may connect with a certificate."""

import ssl
import subprocess
import sys
from pathlib import Path

import paho.mqtt.client as mqtt
import pytest

from conf.settings import REPO
from tests.conftest import Broker, headers_of
from tests.producers.mqtt.test_session import TOPIC, gateway, price
from tests.support.identity.devices import Device


def certs(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "scripts.cli", "certs", *options]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=60)


class TlsDevice(Device):
    """A device that trusts the authority; with `pair`, it also shows a certificate."""

    def __init__(self, port: int, folder: Path, pair: str | None, user_name: str | None) -> None:
        self.context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        if pair:
            self.context.load_cert_chain(folder / f"{pair}.pem", folder / f"{pair}-key.pem")
        super().__init__(port, user_name, name=f"{pair}-{user_name}", reconnect_on_failure=False)

    def prepare(self, client: mqtt.Client) -> None:
        client.tls_set_context(self.context)


def test_devices_connect_by_certificate_of_the_authority(broker: Broker, home: Path):
    done = certs("--device", "DEV-1", "--device", "DEV-9", "--host", "gateway.test")
    assert done.returncode == 0, done.stderr
    variables = dict(line.removeprefix("export ").split("=", 1) for line in done.stdout.splitlines())
    folder = home / "tls"
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
    authority = (folder / "ca.pem").read_bytes()
    since = broker.ends()
    with gateway("DEV-2", **variables) as (_, port):
        device = TlsDevice(port, folder, "DEV-1", None)
        assert device.publish(TOPIC, price("by-certificate"))
        assert TlsDevice(port, folder, None, "DEV-1").publish(TOPIC, price("by-secret"))
        refused = [TlsDevice(port, folder, "DEV-9", None), TlsDevice(port, folder, "DEV-1", "DEV-2")]
        assert {client.connack[0] for client in refused} == {"Bad user name or password"}
        for client in (device, *refused):
            client.close()
    ids = {headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 2)}
    assert ids == {"by-certificate", "by-secret"}
    assert certs().returncode == 0 and (folder / "ca.pem").read_bytes() == authority, "made once"


@pytest.mark.parametrize("name", ["../DEV", "dev-1", "D"])
def test_what_is_no_device_id_gets_no_certificate(home: Path, name: str):
    done = certs("--device", name)
    assert done.returncode == 2 and not (home / "tls").exists()
