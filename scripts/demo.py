"""`demo`: from nothing to a live price, the balance of every event, and where to look next."""

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from conf.settings import REPO, child_environment, settings
from scripts import positions, readiness, reconcile, stack, supervision
from scripts.stack import StackError
from scripts.steps import Steps, console

SAMPLE = ["-m", "producers.simulate", "1", "--seconds", "20", "--rate", "100", "--seed", "1", "--bad-pct", "1"]
DRAIN_SECONDS = 600


def feed(replay: Path | None, speed: str) -> subprocess.Popen[bytes]:
    """Start the producer: a replay of published files, or the seeded simulator over MQTT."""
    arguments = ["-m", "producers.csv_replay", str(replay), "--speed", speed] if replay else SAMPLE
    return subprocess.Popen([sys.executable, *arguments], cwd=REPO, stdout=sys.stderr, env=child_environment())


def feed_history() -> None:
    """Two years of the sample markets through the file door, for models to learn from; known rows are not sent again."""
    file = settings().home / "sample" / "sample-history.csv"
    for arguments in (["producers.sample_history", str(file)], ["producers.csv_replay", str(file)]):
        command = [sys.executable, "-m", *arguments]
        if subprocess.run(command, cwd=REPO, stdout=sys.stderr, env=child_environment()).returncode:
            raise StackError("the sample history was not taken up; see ./run.sh logs stream", 1)


def first_price(begun: float, producer: subprocess.Popen[bytes], patience_seconds: float) -> dict[str, Any]:
    """The newest live price that the API tells, and the seconds it took since `begun`. Raises StackError."""
    end = time.monotonic() + patience_seconds
    while time.monotonic() < end:
        price = _newest_price()
        if price:
            return {**price, "seconds": time.monotonic() - begun}
        if producer.poll() not in (None, 0):
            raise StackError(f"the producer ended with exit code {producer.returncode}", 1)
        time.sleep(0.2)
    raise StackError(f"no price within {patience_seconds:.0f} s; see ./run.sh status and ./run.sh logs stream", 124)


def _newest_price() -> dict[str, Any] | None:
    """Whichever series was reported last, by its name in the API's own answer."""
    url = f"{readiness.api_url()}/api/public/commodity/price/live"
    commodity = _any_commodity()
    if commodity is None:
        return None
    with urllib.request.urlopen(f"{url}?commodity={commodity}&limit=1", timeout=5) as answer:  # noqa: S310
        items = orjson.loads(answer.read())["items"]
    return items[0] if items else None


def _any_commodity() -> str | None:
    rows = reconcile.database(["gold.live_prices"]).execute("select commodity from gold.live_prices limit 1").fetchall()
    return rows[0][0] if rows else None


def drained(steps: Steps, patience_seconds: float = DRAIN_SECONDS) -> None:
    """Wait until the stream has said that it finished every record of Kafka. Raises StackError on the time limit."""
    end = time.monotonic() + patience_seconds
    while time.monotonic() < end:
        waiting = positions.waiting()
        if waiting == 0:
            steps.done("stream", "everything taken up")
            return
        steps.tell("stream", f"{'?' if waiting is None else waiting} events wait in Kafka")
        time.sleep(0.3)
    raise StackError(f"the stream has not drained within {patience_seconds:.0f} s; see ./run.sh status", 124)


def demo(replay: Path | None, speed: str, detach: bool, begun: float) -> None:
    """Up, feed, first price, drain, balance, and then stay until Ctrl-C unless `detach`. Raises StackError."""
    stack.up()
    if replay is None:
        feed_history()
    producer = feed(replay, speed)
    try:
        price = first_price(begun, producer, 120)
        console.print(
            f"first live price: {price['commodity']} at {price['market_id']}: {price['price_idr']:,.0f} IDR "
            f"({price['event_time']}), {price['seconds']:.1f} s after the start"
        )
        if producer.wait():
            raise StackError(f"the producer ended with exit code {producer.returncode}", 1)
    except BaseException:
        producer.send_signal(signal.SIGINT)
        producer.wait(10)
        raise
    with Steps() as steps:
        steps.tell("stream", "taking up what was fed")
        drained(steps)
    verdict = reconcile.reconcile()
    print(verdict["line"], flush=True)
    if not verdict["balanced"]:
        raise StackError("the balance does not close; ./run.sh reconcile tells which kind", 1)
    _where_next(detach)
    if not detach:
        _stay()


def _where_next(detach: bool) -> None:
    url = readiness.api_url()
    console.print(
        f"\nlook next\n  {url}/docs\n  {url}/api/public/commodity/price/live?commodity=cabai-rawit-merah\n"
        '  ./run.sh query "select commodity, region, price_idr, change_pct from gold.live_prices limit 10"\n'
        "  ./run.sh status    ./run.sh reconcile    ./run.sh logs stream\n"
        + ("the stack goes on; ./run.sh down stops it" if detach else "the stack goes on; Ctrl-C or ./run.sh down stops it"),
        markup=False,
    )


def _stay() -> None:
    """Until Ctrl-C, SIGTERM, or somebody else's `down`; then the stack is stopped."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, leave)
    try:
        while supervision.processes():
            time.sleep(1)
    except KeyboardInterrupt:
        console.print("stopping …")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        stack.down()
