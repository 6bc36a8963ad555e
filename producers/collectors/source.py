"""What a source offers to the runner: requests in the order of its pages, and rows as items."""

import hashlib
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, Literal, Protocol, cast, runtime_checkable

import orjson

from conf.collected_sources import collected_sources
from conf.settings import secrets, settings
from lakehouse.event import Event, series_key
from lakehouse.io.source_files.field_map import number

Payload = dict[str, Any]
Cursor = dict[str, Any]  # JSON: what a source needs to go on
Mode = Literal["on", "recording", "off"]
UNKNOWN_FIELDS = 20  # of a row that are passed on: a source must not fill the tables with names
TEXT_CHARACTERS = 200  # of the value of such a field


class ShapeChanged(Exception):
    """An answer is not what the source used to give: no row of it can be read."""


class RequestRefused(Exception):
    """The source refuses the request, and would refuse it again."""


class TransientFailure(Exception):
    """The request failed, and may succeed later. `retry_after`: seconds for which the source wants a rest."""

    def __init__(self, reason: str, retry_after: float = 0.0) -> None:
        super().__init__(reason)
        self.retry_after = retry_after


@dataclass(frozen=True)
class Answer:
    """The body of one answer. `name`: which of the source's requests it answers; never holds a secret.

    `server_time`: the clock of the source; None without a `Date` header. `validator`: ETag, and a digest of
    the address that it holds for.
    """

    name: str
    body: bytes
    received_at: datetime
    server_time: datetime | None = None
    validator: tuple[str, str] | None = None

    @property
    def now(self) -> datetime:
        """The earlier one of both clocks: what is over by it is over for both."""
        return min(self.received_at, self.server_time or self.received_at)

    def json(self) -> Any:
        """The JSON value. Raises ShapeChanged."""
        try:
            return orjson.loads(self.body)
        except orjson.JSONDecodeError:
            raise ShapeChanged("the answer is not JSON") from None


@dataclass(frozen=True)
class Item:
    """A row of a source. `item_id` identifies it there: the same row read again has the same id."""

    item_id: str
    payload: Payload


@dataclass(frozen=True)
class SourcePage:
    """An answer, or none. `cursor`: where to go on once its rows are stored; None: after a later page."""

    answer: Answer | None
    cursor: Cursor | None


Pages = AsyncGenerator[SourcePage, None]


class Fetch(Protocol):
    """Requests at the source's pace, repeated while their failure may pass."""

    async def get(
        self,
        name: str,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """The answer; None when nothing has changed since the one stored last."""

    async def sign_in(self, url: str, user: str, password: str) -> str:
        """An access token by OAuth 2 client credentials."""


class Source(Protocol):
    """One source: a module of producers/collectors/sources with the name of its file in conf/collectors.

    `NEEDS`: knobs and variables without which there is nothing to request.
    """

    NEEDS: tuple[str, ...]

    def poll(self, fetch: Fetch, cursor: Cursor) -> Pages:
        """Pages that are new after the cursor, in the order in which they are to be stored."""

    def items(self, answer: Answer) -> list[Item]:
        """The rows of an answer, also of a recorded one. Raises ShapeChanged."""


@runtime_checkable
class LiveSource(Source, Protocol):
    """A source that also sends by itself."""

    def stream_url(self) -> str | None:
        """The address to connect to; None when it is polled only."""

    def follow(self, url: str, cursor: Callable[[], Cursor]) -> AsyncGenerator[SourcePage | None, None]:
        """Pages as they come; None when a poll must come first. `cursor`: after what was stored last."""


def source_of(name: str) -> Source:
    """The source. Raises KeyError for an unknown name."""
    return cast(Source, import_module(f"producers.collectors.sources.{collected_sources()[name].name}"))


def missing(name: str) -> str | None:
    """The knob or variable that the source needs and that is empty; None when all are set."""
    for need in source_of(name).NEEDS:
        value: Any = settings() if "." in need else secrets()
        for part in need.lower().split("."):
            value = value.get(part) if isinstance(value, dict) else getattr(value, part)
        if not value:
            return need
    return None


def source_modes() -> dict[str, Mode]:
    """Source -> on, recording (no address or key, but recorded answers to replay) or off."""
    recorded = settings().collectors.recordings
    return {
        name: "on" if missing(name) is None else "recording" if name in recorded else "off"
        for name in collected_sources()
    }


def active_sources() -> dict[str, Mode]:
    """The sources that are not off."""
    return {name: mode for name, mode in source_modes().items() if mode != "off"}


def rows_at(content: Any, *path: str) -> list[Payload]:
    """The list of objects at the path. Raises ShapeChanged naming the part that is not there."""
    for name in path:
        content = content.get(name) if isinstance(content, dict) else None
    if not isinstance(content, list) or not all(isinstance(row, dict) for row in content):
        raise ShapeChanged(f"'{'.'.join(path)}' is not a list of objects")
    return content


def unknown_fields(source: str, row: Payload) -> Payload:
    """Fields that its file does not name, as <source>_<field>, so that gold.schema_drift shows them."""
    known = collected_sources()[source].fields
    new = [name for name in row if name not in known][:UNKNOWN_FIELDS]
    return {f"{source}_{name}": _short(row[name]) for name in new}


def names_of_unknown(source: str, items: Iterable[Item]) -> list[str]:
    """The names, at the source, of the fields that its file does not name."""
    start = f"{source}_"
    names = {name.removeprefix(start) for item in items for name in item.payload if name.startswith(start)}
    return sorted(names)[:UNKNOWN_FIELDS]


def _short(value: Any) -> Any:
    """The value without what could be long; its JSON type stays."""
    if isinstance(value, str):
        return value[:TEXT_CHARACTERS]
    return type(value)() if isinstance(value, dict | list) else value


def row_id(*parts: Any) -> str:
    """Parts that identify a row, as one text; a part that is missing counts as empty."""
    return "\0".join("" if part is None else str(part) for part in parts)


def number_of(value: Any) -> Any:
    """The number of a value, also of a text that is one; any other value unchanged: the stream refuses it."""
    if isinstance(value, str):
        return number(value.strip())
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def without_missing(payload: Payload) -> Payload:
    """The payload without fields that the source left empty."""
    return {name: value for name, value in payload.items() if value is not None}


def item_of(source: str, row: Payload, payload: Payload, *identity: Any) -> Item:
    """A row as an item: its payload and its unknown fields. `identity`: parts of its id at the source."""
    return Item(row_id(*identity), without_missing(payload) | unknown_fields(source, row))


def event_of(kind: str, item: Item, name: str, received_at: datetime, sender: str | None = None) -> Event:
    """The event of an item; its id follows from the source `name` and the item's id alone.

    `sender`: where the row was read, unless it came from the source itself.
    """
    identity = hashlib.sha256(f"{name}\0{item.item_id}".encode("utf-8", "replace")).hexdigest()[:32]
    return Event(
        kind=kind,
        key=series_key(kind, item.payload, name),
        value=orjson.dumps(item.payload),
        event_id=f"c-{identity}",
        source=sender or f"collector:{name}",
        received_at=received_at,
    )


def at_most_now(time: datetime, answer: Answer) -> datetime:
    """The time, or now: a row from the future must not move a cursor past rows that are yet to come."""
    return min(time.astimezone(UTC), answer.now)
