"""The alert worker: a process that follows gold.alerts and sends what changes over the channels.

It may be killed at any moment: lakehouse/io/alert_deliveries.py holds which messages were queued, sent or
failed, and what a killed worker was sending is sent again.
"""

import asyncio
import logging
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx2
import pyarrow.compute as pc

from conf.channels import channel_modes, personal_channels
from conf.runtime.exit_codes import ExitCode
from conf.runtime.logs import configure_logging
from conf.runtime.process import Refused, hold
from conf.runtime.status_files import write_status
from conf.settings import secrets, settings
from lakehouse.alerts.notices import notices
from lakehouse.io.alert_deliveries import Deliveries
from lakehouse.io.delta import open_if_exists
from lakehouse.io.identity.database import Database
from lakehouse.io.log_stamps import LogStamps
from lakehouse.io.process_status import ALERT_WORKER, status_file
from producers.channels.channel import PERSONAL, Channel, Mail, Recipient, Telegram, WebHooks, WhatsApp
from producers.channels.personal import PersonalNews
from producers.channels.sender import Sender

log = logging.getLogger("lumbung.alerts")
TABLE = "gold.alerts"
LOOK_SECONDS = 0.5
REPORT_SECONDS = 5.0  # between two writes of the status file
HEARTBEAT_SECONDS = 60.0
TIDY_SECONDS = 3600.0


def _channel(way: str, client: httpx2.AsyncClient, recipients: list[str]) -> Channel:
    """The channel to these recipients. Raises ValueError for a mail server or sender that is not usable."""
    knobs = settings().alerts
    known = secrets()
    if way == "telegram":
        return Telegram(client, knobs.telegram_url, known.telegram_token, recipients)
    if way == "whatsapp":
        token, sender = known.whatsapp_token, knobs.whatsapp_sender
        return WhatsApp(client, knobs.whatsapp_url, token, sender, recipients)
    return Mail(known.smtp_url, settings().mail_from, recipients, knobs.send_seconds)


def open_channels(client: httpx2.AsyncClient) -> list[Channel]:
    """The channels that are on. Raises ValueError for a mail server or sender that is not usable."""
    knobs = settings().alerts
    modes = channel_modes()
    own = {"telegram": knobs.telegram_chats, "whatsapp": knobs.whatsapp_recipients, "email": knobs.mail_to}
    channels = [_channel(way, client, recipients) for way, recipients in own.items() if modes[way] == "on"]
    if modes["webhook"] == "on":
        hooks = [Recipient(str(hook.url), hook.secret.get_secret_value()) for hook in knobs.webhooks]
        channels.append(WebHooks(client, hooks))
    return channels


def open_personal_channels(client: httpx2.AsyncClient) -> dict[str, Channel]:
    """Way to a person -> its channel, of those that are usable; their recipients are read from the store.

    Raises ValueError for a mail server or sender that is not usable.
    """
    usable = personal_channels()
    channels = {way: _channel(way, client, []) for way in PERSONAL if way in usable}
    for way, channel in channels.items():
        channel.name = PERSONAL[way]
    return channels


class AlertTable:
    """New versions of gold.alerts."""

    def __init__(self) -> None:
        self._stamps = LogStamps([TABLE])
        self._table = open_if_exists(TABLE)
        self._seen: int | None = None

    def changed(self, since: datetime) -> list[dict[str, Any]]:
        """The rows of a new version that changed at or after `since`; none without a new version."""
        stamps = self._stamps.take()
        if stamps is None:
            return []
        if self._table is None:
            self._table = open_if_exists(TABLE)
        else:
            self._table.update_incremental()
        self._stamps.keep(stamps)
        if self._table is None or self._table.version() == self._seen:
            return []
        rows = self._table.to_pyarrow_table()
        self._seen = self._table.version()
        return list(rows.filter(pc.field("updated_at") >= since).to_pylist())


@dataclass(eq=False, repr=False)
class AlertWorker:
    """Looks for changes, queues and sends them until it is stopped."""

    sender: Sender
    deliveries: Deliveries
    client: httpx2.AsyncClient
    personal: PersonalNews
    _alerts: AlertTable = field(default_factory=AlertTable)
    _due: dict[str, float] = field(default_factory=dict)

    async def run(self, stopping: asyncio.Event) -> None:
        """Work until `stopping` is set, then finish what is being sent."""
        while not stopping.is_set():
            now = time.time()
            knobs = settings().alerts
            since = datetime.fromtimestamp(now, UTC) - timedelta(hours=knobs.newest_hours)
            changed = self._alerts.changed(since)
            if self.sender.queue(notices(changed, since, knobs.language), now):
                log.info("new messages are queued")
            self.personal.take(changed, since)
            await self.personal.look(now)
            self.sender.start(now, self.personal.held)
            if self._is_time("report", REPORT_SECONDS):
                self.report("running")
            if self._is_time("tidy", TIDY_SECONDS):
                self.deliveries.forget_old(now)
                await self.personal.forget_old(now)
            if knobs.heartbeat_url and self._is_time("heartbeat", HEARTBEAT_SECONDS):
                await self._heartbeat(knobs.heartbeat_url)
            try:
                await asyncio.wait_for(stopping.wait(), LOOK_SECONDS)
            except TimeoutError:
                continue
        await self.sender.finish()
        self.report("stopped")

    def report(self, state: str) -> None:
        """Write the status file."""
        status = {
            "pid": os.getpid(),
            "state": state,
            "channels": channel_modes(),
            "deliveries": self.deliveries.counts(),
        }
        write_status(status_file(ALERT_WORKER), status)

    def _is_time(self, name: str, pause_seconds: float) -> bool:
        """Whether the pause since the last time has passed."""
        now = time.monotonic()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + pause_seconds
        return True

    async def _heartbeat(self, url: str) -> None:
        try:
            async with self.client.stream("GET", url):  # whatever it answers is not read
                pass
        except httpx2.HTTPError as error:
            log.warning("the heartbeat address does not answer: %s", type(error).__name__)


async def work() -> None:
    """Run until SIGTERM or SIGINT. Raises ValueError for channels that are not usable."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    knobs = settings().alerts
    deliveries = Deliveries()
    async with httpx2.AsyncClient(timeout=knobs.send_seconds) as client:
        mocks = [name for name, mode in channel_modes().items() if mode == "mock"]
        people = open_personal_channels(client)
        sender = Sender(
            deliveries, [*open_channels(client), *people.values()], mocks, knobs, site=settings().public_url
        )
        database = Database()
        if repeated := deliveries.recover():
            log.warning("%d messages are sent again: the last worker was killed", repeated)
        personal = PersonalNews(database, sender, people)
        await AlertWorker(sender, deliveries, client, personal).run(stopping)
        await database.close()
    deliveries.close()


def main() -> int:
    """Exit code 0 after a clean stop, 2 for a channel that is not usable, 5 when another worker runs."""
    configure_logging()
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log addresses, which hold tokens
    try:
        with hold("alert_worker", "another alert worker of this home runs"):
            asyncio.run(work())
    except Refused as refusal:
        print(f"the alert worker does not start: {refusal}", file=sys.stderr)
        return ExitCode.REFUSED
    except ValueError as error:
        print(f"the alert worker does not start: {error}", file=sys.stderr)
        return ExitCode.USAGE
    return ExitCode.DONE


if __name__ == "__main__":
    sys.exit(main())
