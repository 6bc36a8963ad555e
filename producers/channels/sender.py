"""Sends queued deliveries: each recipient for itself, in order, with retries, rate limit and quiet hours."""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from conf.knobs import AlertKnobs
from conf.runtime.failpoints import failpoint
from lakehouse.alerts.notices import Notice, digest, end_of_quiet
from lakehouse.io.alert_deliveries import Deliveries, Delivery
from lakehouse.io.smtp import NotSent
from producers.channels.channel import PERSONAL, Channel, Recipient

log = logging.getLogger("lumbung.alerts")
LONGEST_PAUSE_SECONDS = 3600.0  # also when a channel asks for more
LOST_AFTER_LIMITS = 10  # after so many times `send_seconds` a message that is being sent counts as lost
MOST_ATTEMPTS = 30  # about a day with the pauses below
MOCK_RECIPIENT = "mock"


def delivery_id(notice: Notice, channel: str, recipient: str) -> str:
    """`dl-` and 32 hexadecimal digits: the same message to the same recipient has the same id."""
    text = "|".join((notice.alert_id, notice.stage, channel, recipient))
    return "dl-" + hashlib.sha256(text.encode()).hexdigest()[:32]


@dataclass(eq=False, repr=False)
class Sender:
    """The channels that are on, and those that are only mocked.

    `site`: address of the web pages, which messages link to.
    """

    deliveries: Deliveries
    channels: Sequence[Channel]
    mocks: Collection[str]
    knobs: AlertKnobs
    clock: Callable[[], float] = time.time
    site: str = ""

    def __post_init__(self) -> None:
        self._by_name = {channel.name: channel for channel in self.channels}
        self._limit = RateLimitItemPerMinute(self.knobs.messages_per_minute)
        self._limiter = MovingWindowRateLimiter(MemoryStorage())
        self._sending: dict[str, asyncio.Task[None]] = {}

    def queue(self, notices: Iterable[Notice], now: float) -> int:
        """Queue each notice for every recipient, once; returns the number of new deliveries.

        Who has never got a message gets one about all of them; a web hook, which a program reads, gets each.
        """
        addresses = self._addresses()
        return self._queue([(notice, *address) for notice in notices for address in addresses], now)

    def queue_personal(self, notices: Iterable[tuple[Notice, str, Recipient]], now: float) -> int:
        """Queue each notice for its own channel and recipient, once; returns the number of new deliveries."""
        return self._queue([(notice, name, each.fingerprint) for notice, name, each in notices], now)

    def _queue(self, addressed: Sequence[tuple[Notice, str, str]], now: float) -> int:
        by_recipient: dict[tuple[str, str], list[Notice]] = {}
        for notice, *address in addressed:
            by_recipient.setdefault((address[0], address[1]), []).append(notice)
        queued: list[Delivery] = []
        summed: list[Delivery] = []
        for (channel, recipient), notices in by_recipient.items():
            singly = [self._delivery(notice, channel, recipient) for notice in notices]
            is_first = channel != "webhook" and not self.deliveries.is_known(channel, recipient)
            if is_first and len(singly) > 1:
                summed += singly
                singly = [self._delivery(digest(notices), channel, recipient)]
            queued += singly
        added = self.deliveries.add(queued, now, summed)
        if added:
            failpoint("alert_queued")
        return added

    def _delivery(self, notice: Notice, channel: str, recipient: str) -> Delivery:
        page = f"{self.site}{notice.page}" if notice.page else ""
        return Delivery(
            delivery_id(notice, channel, recipient),
            notice.alert_id,
            notice.stage,
            channel,
            recipient,
            notice.level,
            notice.subject,
            "\n".join(filter(None, (notice.body, page))),
            notice.is_urgent,
        )

    def _addresses(self) -> list[tuple[str, str]]:
        """(channel, fingerprint of a recipient) of all who get every alert."""
        return [(name, MOCK_RECIPIENT) for name in self.mocks] + [
            (channel.name, recipient.fingerprint)
            for channel in self._by_name.values()
            if channel.name not in PERSONAL.values()
            for recipient in channel.recipients
        ]

    def start(self, now: float, held: Collection[str] = ()) -> None:
        """Start to send what is due; a recipient that is still being sent to keeps its turn.

        `held`: channels whose recipients are not known yet, so that their messages wait.
        """
        by_recipient: dict[str, list[Delivery]] = {}
        for delivery in self.deliveries.due(now):
            if delivery.channel in held:
                continue
            by_recipient.setdefault(f"{delivery.channel} {delivery.recipient}", []).append(delivery)
        self._sending = {name: task for name, task in self._sending.items() if not task.done()}
        for name, due in by_recipient.items():
            if name not in self._sending:
                self._sending[name] = asyncio.create_task(self._send_all(due))

    async def finish(self) -> None:
        """Wait for what is being sent."""
        await asyncio.gather(*self._sending.values())

    async def _send_all(self, due: Sequence[Delivery]) -> None:
        """Send to one recipient, in order, until one has to wait."""
        for delivery in due:
            if not await self._send(delivery):
                return

    async def _send(self, delivery: Delivery) -> bool:
        """False when the recipient has to wait."""
        now = self.clock()
        if delivery.recipient == MOCK_RECIPIENT:
            log.info("mock %s, no token: %s", delivery.channel, delivery.subject)
            self.deliveries.settle(delivery, "mock", now, reason="no token")
            return True
        recipient = self._recipient(delivery)
        if recipient is None or self.deliveries.is_set_aside(delivery.recipient):
            reason = "the recipient is no longer configured" if recipient is None else "set aside"
            self.deliveries.settle(delivery, "set_aside", now, reason=reason)
            return True
        if (due_at := self._waits_until(delivery, now)) is not None:
            self.deliveries.put_off(delivery, due_at, "quiet hours or rate limit")
            return True
        self.deliveries.begin(delivery, now + LOST_AFTER_LIMITS * self.knobs.send_seconds)
        failpoint("alert_sending")
        channel = self._by_name[delivery.channel]
        try:
            async with asyncio.timeout(self.knobs.send_seconds):
                message_id = await channel.send(recipient, delivery)
        except NotSent as failure:
            return self._fail(delivery, failure)
        except TimeoutError:
            return self._fail(delivery, NotSent(f"no answer in {self.knobs.send_seconds:g} s"))
        except Exception as error:
            # Whatever a channel answers must not end this task. The message may hold an address or a token.
            log.exception("%s failed in a way that nobody expected", delivery.channel)
            return self._fail(delivery, NotSent(type(error).__name__))
        failpoint("alert_sent")
        self.deliveries.settle(delivery, "sent", self.clock(), message_id)
        failpoint("alert_settled")
        return True

    def _recipient(self, delivery: Delivery) -> Recipient | None:
        channel = self._by_name.get(delivery.channel)
        known = channel.recipients if channel else []
        return next((each for each in known if each.fingerprint == delivery.recipient), None)

    def _waits_until(self, delivery: Delivery, now: float) -> float | None:
        """When it may be sent, if not now: after quiet hours unless it is urgent, or within the rate."""
        quiet = end_of_quiet(datetime.fromtimestamp(now, UTC), self.knobs.quiet_hours)
        if quiet is not None and not delivery.is_urgent:
            return quiet.timestamp()
        name = (delivery.channel, delivery.recipient)
        if self._limiter.hit(self._limit, *name):
            return None
        return self._limiter.get_window_stats(self._limit, *name).reset_time

    def _fail(self, delivery: Delivery, failure: NotSent) -> bool:
        """Queue it again after a failure that may pass, else settle it; a web hook may be set aside."""
        now, reason = self.clock(), str(failure)
        log.warning("%s to %s failed: %s", delivery.channel, delivery.recipient, reason)
        attempts = delivery.attempts + 1
        is_final = failure.is_permanent or attempts >= MOST_ATTEMPTS
        if is_final:
            self.deliveries.settle(delivery, "failed", now, reason=reason)
        else:
            pause = max(self.knobs.retry_seconds * 2 ** (attempts - 1), failure.retry_after)
            self.deliveries.put_off(delivery, now + min(pause, LONGEST_PAUSE_SECONDS), reason)
        if delivery.channel == "webhook" and self._is_dead(delivery.recipient, failure):
            log.error("web hook %s is set aside: %s", delivery.recipient, reason)
            self.deliveries.set_aside(delivery.recipient, now, reason)
        return is_final

    def _is_dead(self, recipient: str, failure: NotSent) -> bool:
        """Whether a web hook answered that it is gone, or failed too often in a row."""
        return failure.gone or self.deliveries.failures_in_a_row(recipient) >= self.knobs.webhook_failures
