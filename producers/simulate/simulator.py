"""`simulate`: events of simulated markets over MQTT, each market a client; listings and bars to Kafka."""

import logging
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated

import orjson
import paho.mqtt.client as mqtt
import typer
from paho.mqtt.enums import CallbackAPIVersion
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused, stopped_by_signals
from conf.settings import settings
from lakehouse.io.identity.device_access import own_devices
from lakehouse.io.identity.devices import DeviceExists
from lakehouse.io.kafka import NotAcknowledged, broker_answers
from lakehouse.io.terminal import console, fail, translated
from producers.simulate.bars import BarFeed
from producers.simulate.markets import SampleMarkets, device_of
from producers.simulate.shop import ShopFeed

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
log = logging.getLogger("lumbung.simulate")
LAST_ACKNOWLEDGEMENTS_SECONDS = 30.0
UNACKNOWLEDGED = 500  # of one market; then the simulator waits for the gateway instead of filling memory


class MarketClient:
    """One device's connection. paho reconnects by itself and sends again what was not acknowledged."""

    def __init__(self, device_id: str, secret: str) -> None:
        self.sent = 0
        self.acknowledged = 0
        name = f"{device_id}-{time.time_ns():x}"
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=name, clean_session=False)
        self._client.username_pw_set(device_id, secret)
        self._client.on_publish = self._on_publish
        self._client.max_inflight_messages_set(100)
        self._client.max_queued_messages_set(0)
        self._client.reconnect_delay_set(1, 4)
        if settings().mqtt_tls_cert:
            self._client.tls_set(ca_certs=str(settings().mqtt_tls_ca or settings().mqtt_tls_cert))

    def _on_publish(self, *ignored: object) -> None:
        self.acknowledged += 1

    def connect(self, host: str, port: int) -> None:
        """Raises OSError when there is no gateway."""
        self._client.connect(host, port, keepalive=30)
        self._client.loop_start()

    def publish(self, topic: str, payload: bytes) -> None:
        """Publish with QoS 1."""
        self._client.publish(topic, payload, qos=1)
        self.sent += 1

    def close(self) -> None:
        """Disconnect and end the network thread."""
        self._client.disconnect()
        self._client.loop_stop()


@dataclass(eq=False, repr=False)
class Simulation:
    """`run` publishes until the time is over or `stopping` is set."""

    sample: SampleMarkets
    secrets: Mapping[str, str]
    rate: float
    seconds: float | None
    stopping: threading.Event

    def __post_init__(self) -> None:
        self._clients = {
            place.market_id: MarketClient(device, self.secrets[device])
            for place in self.sample.places
            for device in (device_of(place.market_id),)
        }

    @property
    def places(self) -> int:
        """Markets that publish."""
        return len(self._clients)

    @property
    def sent(self) -> int:
        """Messages published."""
        return sum(client.sent for client in self._clients.values())

    @property
    def acknowledged(self) -> int:
        """Messages that the gateway has acknowledged."""
        return sum(client.acknowledged for client in self._clients.values())

    def run(self, bar: Progress) -> None:
        """Publish. Raises OSError when there is no gateway at the start."""
        for client in self._clients.values():
            client.connect(settings().mqtt.host, settings().mqtt.port)
        total = None if self.seconds is None else max(1, round(self.rate * self.seconds))
        task = bar.add_task("", total=total, acknowledged=0)
        began = time.monotonic()
        stopped = False
        for number, message in enumerate(self.sample.messages()):
            if number == total or stopped:
                break
            client = self._clients[message.market_id]
            while client.sent - client.acknowledged >= UNACKNOWLEDGED and not self.stopping.wait(0.05):
                bar.update(task, acknowledged=self.acknowledged)
            client.publish(message.topic, message.payload)
            stopped = self.stopping.wait(max(0.0, began + (number + 1) / self.rate - time.monotonic()))
            if number % 20 == 0:
                bar.update(task, completed=number + 1, acknowledged=self.acknowledged)
        end = time.monotonic() + LAST_ACKNOWLEDGEMENTS_SECONDS
        while self.acknowledged < self.sent and time.monotonic() < end:
            time.sleep(0.05)
        bar.update(task, completed=self.sent, acknowledged=self.acknowledged)

    def close(self) -> None:
        """End all connections."""
        for client in self._clients.values():
            client.close()


def device_secrets(sample: SampleMarkets) -> dict[str, str]:
    """Device id -> secret of the sample's markets; exits 1 when one was revoked, 5 without a key."""
    devices = {device_of(place.market_id): place.market_id for place in sample.places}
    try:
        return own_devices(devices, "simulate")
    except Refused as refusal:
        fail(str(refusal), ExitCode.REFUSED)
    except DeviceExists as error:
        fail(f"device {error} of the simulator was revoked or belongs to another market", ExitCode.FAILED)


def run_markets(
    sample: SampleMarkets, rate: float, seconds: float | None, stopping: threading.Event
) -> Simulation:
    """Publish the markets' events with a bar of progress; exits 4 without a gateway."""
    simulation = Simulation(sample, device_secrets(sample), rate, seconds, stopping)
    fastest = settings().mqtt.messages_per_second * len(sample.places)
    if rate > fastest:
        text = (
            f"the gateway accepts {fastest:g} events/s from {len(sample.places)} markets: give more --markets"
        )
        console.print(text, markup=False)
    columns = (
        TextColumn("simulate"),
        BarColumn(),
        TextColumn("{task.fields[acknowledged]} acknowledged"),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns, console=console, refresh_per_second=4) as bar:
            simulation.run(bar)
    except OSError as error:
        address = f"{settings().mqtt.host}:{settings().mqtt.port}"
        fail(f"no MQTT gateway at {address} ({error}); remedy: ./run.sh up", ExitCode.NOT_RUNNING)
    finally:
        simulation.close()
    return simulation


def run_feed(feed: ShopFeed | BarFeed) -> None:
    """Publish listings or bars; exits 4 without Kafka, 1 when Kafka did not acknowledge."""
    if not broker_answers():
        fail(f"no Kafka at {settings().kafka.bootstrap}; remedy: ./run.sh up", ExitCode.NOT_RUNNING)
    try:
        feed.publish()
    except NotAcknowledged as error:
        fail(f"Kafka did not acknowledge everything ({error})", ExitCode.FAILED)


@app.command()
def main(
    what: Annotated[
        str,
        typer.Argument(
            help="1: prices and sensors of markets; 2: listings of a shop; bars: bars of coins; all of them"
        ),
    ] = "1",
    rate: Annotated[float, typer.Option(min=0.01, help="events per second of each sample")] = 20.0,
    seconds: Annotated[float | None, typer.Option(min=0, help="how long; without it until Ctrl-C")] = None,
    bad_pct: Annotated[
        float, typer.Option(min=0, max=100, help="percent of events that carry a fault")
    ] = 1.0,
    seed: Annotated[int, typer.Option(help="the same seed gives the same prices in the same order")] = 1,
    markets: Annotated[
        int, typer.Option(min=1, max=1000, help="how many markets publish; each is a client of the gateway")
    ] = 12,
    as_json: Annotated[bool, typer.Option("--json", help="print the data as JSON on stdout")] = False,
) -> None:
    """Publish events of simulated markets over MQTT with QoS 1; listings of a shop and bars to Kafka.

    The markets continue the prices of the demo's history. bars: four coins, a bar of a minute each as it
    closes, after those of the last ten hours; the prices of SIM-C and SIM-D have a trend.
    """
    if what not in ("1", "2", "all", "bars"):
        fail(f"unknown sample '{what}': give 1, 2, bars or all", ExitCode.USAGE)
    stopping = stopped_by_signals(log)
    run = f"{seed}-{datetime.now(UTC):%Y%m%d%H%M%S}"
    began = time.monotonic()
    summary: dict[str, int | float] = {"sent": 0, "acknowledged": 0, "markets": 0}
    shop = ShopFeed(seed, run, rate, seconds, bad_pct / 100, stopping)
    bars = BarFeed(seed, seconds, stopping)
    with ThreadPoolExecutor(2) as pool:
        feeds = [
            pool.submit(run_feed, feed)
            for feed, name in ((shop, "2"), (bars, "bars"))
            if what in (name, "all")
        ]
        if what in ("1", "all"):
            simulation = run_markets(
                SampleMarkets(seed, run, markets, bad_pct / 100), rate, seconds, stopping
            )
            sent, acknowledged = simulation.sent, simulation.acknowledged
            summary = {"sent": sent, "acknowledged": acknowledged, "markets": simulation.places}
        for feed in feeds:
            feed.result()
    summary |= {"listings": shop.acknowledged, "bars": bars.acknowledged}
    summary["seconds"] = round(time.monotonic() - began, 1)
    line = (
        f"{summary['acknowledged']} of {summary['sent']} events acknowledged, {summary['markets']} markets, "
        f"{summary['listings']} listings, {summary['bars']} bars, {summary['seconds']} s"
    )
    print(orjson.dumps(summary).decode() if as_json else translated(line), flush=True)
    if summary["acknowledged"] < summary["sent"]:
        raise typer.Exit(ExitCode.FAILED)
    raise typer.Exit(ExitCode.INTERRUPTED if stopping.is_set() else ExitCode.DONE)


if __name__ == "__main__":
    app(prog_name="./run.sh simulate")
