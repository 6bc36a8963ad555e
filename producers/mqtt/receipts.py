"""Receipts: the outcome of each event of a device that subscribes to its receipt topic."""

import asyncio
import time
from collections.abc import Iterable
from typing import TYPE_CHECKING

import orjson

from lakehouse.event import Event, StoredRecord
from producers.mqtt.events import Record
from producers.mqtt.rights import TOPIC, receipt_topic
from producers.mqtt.session import MqttSession

if TYPE_CHECKING:
    from lakehouse.io.event_verdicts import Verdict

LOOK_SECONDS = 1.0
MOST_AWAITED = 20_000  # of all devices; beyond that the oldest get no receipt
LONGEST_SECONDS = 600.0  # a record without a verdict after this time gets no receipt


class Receipts:
    """Events that wait for their verdict; nothing is read while none waits."""

    def __init__(self, sessions: Iterable[MqttSession]) -> None:
        """`sessions`: the open ones, whichever they are at the time."""
        self._sessions = sessions
        self._awaited: dict[StoredRecord, tuple[str, float]] = {}  # topic of the receipt, since when
        self._waiting = asyncio.Event()

    def expect(
        self, session: MqttSession, topic: str, event: Event, record: Record, place: tuple[int, int]
    ) -> None:
        """Send a receipt once the verdict is known, if the client is subscribed to it.

        `topic`: of the message; `place`: partition and offset of its record. A refused message has its
        verdict already.
        """
        answer = self._topic_for(session, topic)
        if not session.is_subscribed(answer):
            return
        if record.fault is not None:
            session.offer(answer, _body(event.event_id, "quarantine", (record.fault,)))
            return
        if len(self._awaited) >= MOST_AWAITED:
            del self._awaited[next(iter(self._awaited))]
        stored = StoredRecord(event.event_id, event.kind, record.topic, *place, event.received_at)
        self._awaited[stored] = (answer, time.monotonic())
        self._waiting.set()

    @staticmethod
    def _topic_for(session: MqttSession, topic: str) -> str:
        """The client's own receipt topic, also for a message to the topic of another device."""
        match, client = TOPIC.fullmatch(topic), session.client
        market = (client and client.market_id) or (match and match["market"]) or ""
        device = (client and client.device_id) or (match and match["device"]) or ""
        return receipt_topic(market, device)

    async def send_always(self) -> None:
        """Look for verdicts every second while events wait, and send receipts, for ever."""
        while True:
            await self._waiting.wait()
            await asyncio.sleep(LOOK_SECONDS)
            known = await asyncio.to_thread(_verdicts, list(self._awaited))
            for record, verdict in known.items():
                topic, _ = self._awaited.pop(record, ("", 0.0))
                self._offer(topic, _body(record.event_id, verdict.verdict, verdict.reasons))
            self._forget_old()

    def _offer(self, topic: str, payload: bytes) -> None:
        for session in self._sessions:
            if session.is_subscribed(topic):
                session.offer(topic, payload)

    def _forget_old(self) -> None:
        oldest = time.monotonic() - LONGEST_SECONDS
        self._awaited = {record: item for record, item in self._awaited.items() if item[1] > oldest}
        if not self._awaited:
            self._waiting.clear()


def _verdicts(records: list[StoredRecord]) -> "dict[StoredRecord, Verdict]":
    # It loads pyarrow and deltalake, which a gateway without receipts does not need.
    from lakehouse.io.event_verdicts import verdicts

    return verdicts(records)


def _body(event_id: str, verdict: str, reasons: tuple[str, ...]) -> bytes:
    return orjson.dumps({"event_id": event_id, "verdict": verdict, "reasons": reasons})
