"""Replay and watched folder with a broker: each row once, in order, resumable, none lost by a kill."""

import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import orjson
import pytest
from typer.testing import CliRunner

from conf.settings import REPO
from lakehouse.event import DEAD_LETTERS
from producers.csv.replay import app
from tests.conftest import Broker, headers_of
from tests.support.waiting import eventually

LONG = "market_id,commodity,price,unit,event_time,region"


def wide(folder: Path, days: int = 40) -> Path:
    """Two commodities, three provinces."""
    folder.mkdir()
    for name, level in (("Beras_Premium", 14000), ("Minyak_Goreng_Curah", 11500)):
        lines = [f"2024-{1 + day // 28:02}-{1 + day % 28:02},{level + day},{level},," for day in range(days)]
        (folder / f"{name}.csv").write_text("Date,Aceh,Papua,Bali,DKI Jakarta\n" + "\n".join(lines) + "\n")
    (folder / "notes.txt").write_text("not a table\n")
    return folder


def replay(*arguments: str, seconds: float = 120) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "producers.csv.replay", *arguments]
    return subprocess.run(
        command, cwd=REPO, env=dict(os.environ), capture_output=True, text=True, timeout=seconds
    )


def test_folder_is_replayed_once_in_time_order(broker: Broker, home: Path, tmp_path: Path):
    since, folder = broker.ends(), wide(tmp_path / "data")
    done = replay(str(folder), "--json")
    assert done.returncode == 0, done.stderr
    summary = orjson.loads(done.stdout)
    assert (summary["rows"], summary["events"], summary["no_event"]) == (320, 160, 160)
    assert "skipped notes.txt" in done.stderr
    records = broker.records(since, "lumbung.price", 160)
    assert len({headers_of(record)["event_id"] for record in records}) == len(records) == 160
    partitions = {record.partition() for record in records}
    assert len(partitions) == 2, "one for each commodity"
    for partition in partitions:
        times = [
            orjson.loads(record.value())["event_time"]
            for record in records
            if record.partition() == partition
        ]
        days = [time[:10] for time in times]
        assert days == sorted(days)
    sources = {headers_of(record)["source"] for record in records}
    assert "file:Beras_Premium.csv#1:Papua" in sources

    again = replay(str(folder))
    assert again.returncode == 0 and "already replayed" in again.stderr
    since = broker.ends()
    assert replay(str(folder), "--restart").returncode == 0
    repeated = {headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 160)}
    assert repeated == {headers_of(record)["event_id"] for record in records}


BARS = "date,open,high,low,close,volume\n2024-01-02,1,3,1,2,100\n2024-01-03,2,3,2,3,100\n"


def test_folder_of_mixed_formats_is_replayed_and_unknown_files_are_named(
    broker: Broker, home: Path, tmp_path: Path
):
    since, folder = broker.ends(), wide(tmp_path / "data", days=2)
    for place in ("us_daily", "unplaced"):
        (folder / place).mkdir()
        (folder / place / "AAPL.csv").write_text(BARS)
    (folder / "dataset.csv").write_text("judul,tanggal,sentimen\nBeras naik,2024/01/02,negatif\n")
    done = replay(str(folder), "--json")
    assert done.returncode == 0, done.stderr
    assert orjson.loads(done.stdout)["events"] == 8 + 2 + 1
    assert (
        "skipped notes.txt" in done.stderr
        and "skipped unplaced/AAPL.csv: the header alone does not identify the format" in done.stderr
    )
    assert len(broker.records(since, "lumbung.bar", 2)) == 2
    (post,) = broker.records(since, "lumbung.post", 1)
    assert headers_of(post)["source"] == "file:dataset.csv#1" and b"negatif" not in post.value()

    again = replay(str(folder), "--json")
    assert again.returncode == 0 and "already replayed" in again.stderr
    requested = replay(str(folder / "unplaced" / "AAPL.csv"), "--format", "crypto_daily")
    assert requested.returncode == 1 and "its name does not match" in requested.stderr
    requested = replay(str(folder / "unplaced" / "AAPL.csv"), "--format", "us_daily", "--json")
    assert requested.returncode == 0 and orjson.loads(requested.stdout)["events"] == 2


# Two events of Papua are sent, then it waits an hour: the day begins there before it does elsewhere.
WAITING = ("--speed", "1s/s")
SENT_AT_ONCE = 2


def arrived(broker: Broker, since: dict[tuple[str, int], int]) -> int:
    """How many records Kafka has taken."""
    return sum(broker.ends().values()) - sum(since.values())


def test_interrupted_replay_resumes(broker: Broker, home: Path, tmp_path: Path):
    since, folder = broker.ends(), wide(tmp_path / "data")
    command = [sys.executable, "-m", "producers.csv.replay", str(folder), *WAITING]
    running = subprocess.Popen(
        command, cwd=REPO, env=dict(os.environ), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    eventually(lambda: arrived(broker, since) == SENT_AT_ONCE)
    running.send_signal(signal.SIGINT)
    _, words = running.communicate(timeout=120)
    assert running.returncode == 130 and "resumes from here" in words
    assert len(broker.records(since, "lumbung.price", SENT_AT_ONCE)) == SENT_AT_ONCE
    assert replay(str(folder), "--speed", "max").returncode == 0
    whole = Counter(headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 160))
    assert len(whole) == 160 and max(whole.values()) == 1


@pytest.mark.parametrize("speed", ["fast", "0d/s", "-1d/s"])
def test_invalid_speed_is_wrong_usage(lone_home: Path, tmp_path: Path, speed: str):
    done = CliRunner().invoke(app, [str(wide(tmp_path / "data")), f"--speed={speed}"])
    assert done.exit_code == 2 and "1d/s" in done.stderr


def test_check_sends_nothing_and_lists_unknown_names(home: Path, tmp_path: Path):
    """Without a broker."""
    file = tmp_path / "x.csv"
    file.write_text(f"{LONG}\nPASAR-001,Bawang Merahh,30000,kg,2024-01-01T00:00:00Z,Jawa Barat\n")
    done = replay(str(file), "--check")
    assert done.returncode == 1 and "x.csv: format price_long, 1 events, the first {" in done.stdout
    assert str(home / "reference" / "commodities.yml") in done.stdout
    assert "  - {id: bawang-merah, aliases: [Bawang Merahh]}" in done.stdout
    (home / "reference").mkdir()
    (home / "reference" / "commodities.yml").write_text(
        "commodities:\n  - {id: bawang-merah, aliases: [Bawang Merahh]}\n"
    )
    assert replay(str(file), "--check").returncode == 0


def test_check_names_what_would_be_refused(home: Path, tmp_path: Path):
    """A price with a decimal comma, and a market with a space: neither reaches silver."""
    file = tmp_path / "x.csv"
    rows = ["PASAR-001,garam,5000,kg,2024-01-01T00:00:00Z,", 'PASAR-001,garam,"5,5",kg,2024-01-02T00:00:00Z,']
    file.write_text("\n".join([LONG, *rows, "Pasar Baru,garam,5000,kg,3 Januari,Jawa Barat"]) + "\n")
    done = replay(str(file), "--check")
    assert done.returncode == 0 and "3 events" in done.stdout
    assert "x.csv: 1 events would be refused, from row 2 on: field_type, price is not a number" in done.stderr
    assert "from row 3 on: market_id_format, " in done.stderr
    file.write_text(f"{LONG}\n{rows[1]}\n")
    assert replay(str(file), "--check").returncode == 1  # all of them


def test_missing_broker_is_named(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("LUMBUNG_KAFKA__BOOTSTRAP", "127.0.0.1:9")
    done = replay(str(wide(tmp_path / "data")))
    assert done.returncode == 4 and "./run.sh up" in done.stderr


@contextmanager
def watcher(*program: str, log: IO[bytes] | None = None) -> Iterator[subprocess.Popen[bytes]]:
    """The process that watches the folder, or one that runs `program`."""
    command = [sys.executable, *(program or ("-m", "producers.csv.folder_watch"))]
    running = subprocess.Popen(command, cwd=REPO, env=dict(os.environ), stderr=log)
    try:
        yield running
    finally:
        running.terminate()
        assert running.wait(60) in (0, -signal.SIGKILL)


def test_folder_sends_known_files_and_refuses_others(broker: Broker, home: Path, tmp_path: Path):
    since, landing = broker.ends(), home / "landing"
    landing.mkdir()
    (landing / "before.csv").write_text(f"{LONG}\nPASAR-001,garam,11500,,,\n")
    with watcher():
        eventually((landing / "done" / "before.csv").exists)
        draft = tmp_path / "draft.csv"
        draft.write_text(f"{LONG},event_id\nPASAR-001,garam,11600,,,,folder-1\n")
        shutil.move(draft, landing / "before.csv")  # the same name again, with other content
        (landing / "strange.csv").write_text("a,b\n1,2\n")
        (landing / "large.csv").write_text(f"{LONG}\nPASAR-001,{'x' * 70000},1,,,\n")
        eventually((landing / "done" / "before.1.csv").exists)
        eventually((landing / "refused" / "strange.csv.reason.txt").exists)
        eventually((landing / "done" / "large.csv").exists)
    assert "unknown header: a,b" in (landing / "refused" / "strange.csv.reason.txt").read_text()
    ids = [headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 2)]
    assert len(ids) == 2 and "folder-1" in ids
    (dead,) = broker.records(since, DEAD_LETTERS, 1)
    assert headers_of(dead)["reason"] == "payload_size" and len(dead.value()) == 65536


def test_file_in_a_subfolder_is_sent_and_moved_to_the_same_subfolder(broker: Broker, home: Path):
    landing = home / "landing"
    with watcher():
        eventually((landing / "done").exists)
        (landing / "east" / ".hidden").mkdir(parents=True)
        (landing / "east" / ".hidden" / "draft.csv").write_text(f"{LONG}\n")
        (landing / "east" / "known.csv").write_text(f"{LONG}\nPASAR-001,garam,11500,,,\n")
        (landing / "east" / "strange.csv").write_text("a,b\n1,2\n")
        (landing / "AAPL.csv").write_text(BARS)
        (landing / "us_daily").mkdir()
        (landing / "us_daily" / "AAPL.csv").write_text(BARS)
        eventually((landing / "done" / "east" / "known.csv").exists)
        eventually((landing / "refused" / "east" / "strange.csv.reason.txt").exists)
        eventually((landing / "done" / "us_daily" / "AAPL.csv").exists)
        eventually((landing / "refused" / "AAPL.csv.reason.txt").exists)
    assert "its folder is not 'us_daily'" in (landing / "refused" / "AAPL.csv.reason.txt").read_text()
    assert (landing / "east" / ".hidden" / "draft.csv").exists()


def test_file_with_newest_rows_first_is_sent_by_event_time(broker: Broker, home: Path):
    since, landing = broker.ends(), home / "landing"
    rows = "".join(f"Garlic,1/{day}/2024,KG,Rs 1.00,Rs 3.00,Rs 2.00\n" for day in range(9, 0, -1))
    with watcher():
        eventually((landing / "done").exists)
        (landing / "kalimati.csv").write_text("Commodity,Date,Unit,Minimum,Maximum,Average\n" + rows)
        eventually((landing / "done" / "kalimati.csv").exists)
    times = [
        orjson.loads(record.value())["event_time"] for record in broker.records(since, "lumbung.price", 9)
    ]
    assert times == sorted(times) and len(times) == 9  # one series, one partition


def test_file_is_not_sent_while_a_process_writes_it(broker: Broker, home: Path):
    landing = home / "landing"
    with watcher():
        eventually((landing / "done").exists)
        with (landing / "slow.csv").open("w") as out:
            out.write(LONG + "\n")
            out.flush()
            for number in range(2):
                (landing / f"later-{number}.csv").write_text(f"{LONG}\nPASAR-001,garam,11500,,,\n")
                eventually((landing / "done" / f"later-{number}.csv").exists)
                assert (landing / "slow.csv").exists(), "it would have been sent first"
                out.write(f"PASAR-001,garam,{11500 + number},,,\n")
                out.flush()
        eventually((landing / "done" / "slow.csv").exists)


KILLED_WITHIN_A_FILE = """
import os, signal
from producers.csv import folder_watch

class KilledSink(folder_watch.KafkaSink):
    def send(self, event):
        super().send(event)
        if self.sent == 1000:
            self.flush()
            os.kill(os.getpid(), signal.SIGKILL)

folder_watch.KafkaSink = KilledSink
folder_watch.main()
"""


def test_after_a_kill_within_a_file_nothing_is_lost_and_ids_repeat(
    broker: Broker, home: Path, tmp_path: Path
):
    since = broker.ends()
    landing = home / "landing"
    rows = 3000
    landing.mkdir()
    draft = tmp_path / "big.csv"
    draft.write_text(LONG + "\n" + "".join(f"PASAR-001,garam,{10000 + n},,,\n" for n in range(rows)))
    shutil.move(draft, landing / "big.csv")
    with watcher("-c", KILLED_WITHIN_A_FILE) as running:
        assert running.wait(120) == -signal.SIGKILL
    assert (landing / "big.csv").exists() and arrived(broker, since) == 1000
    with watcher():
        eventually((landing / "done" / "big.csv").exists)
    ids = Counter(
        headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 1000 + rows)
    )
    assert Counter(ids.values()) == {1: rows - 1000, 2: 1000}


def test_file_that_cannot_be_read_to_its_end_is_named(broker: Broker, home: Path, tmp_path: Path):
    (tmp_path / "x.csv").write_text(f"{LONG}\nPASAR-001,garam,1,,,\nPASAR-001,{'x' * 17_000_000},1,,,\n")
    done = replay(str(tmp_path / "x.csv"))
    assert done.returncode == 1 and "x.csv cannot be read after row 1" in done.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_replay_that_was_stopped_or_killed_loses_no_row(
    broker: Broker, home: Path, tmp_path: Path, number: signal.Signals
):
    since, folder = broker.ends(), wide(tmp_path / "data")
    command = [sys.executable, "-m", "producers.csv.replay", str(folder), *WAITING]
    running = subprocess.Popen(
        command, cwd=REPO, env=dict(os.environ), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    eventually(lambda: arrived(broker, since) == SENT_AT_ONCE)
    running.send_signal(number)
    assert running.wait(120) == (130 if number == signal.SIGTERM else -number)
    assert replay(str(folder)).returncode == 0
    assert (
        len({headers_of(record)["event_id"] for record in broker.records(since, "lumbung.price", 160)}) == 160
    )
