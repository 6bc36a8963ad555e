"""A list of a table, declared: its parameters, schema, order and documentation follow from that."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from inspect import Parameter, Signature, cleandoc
from typing import Annotated, Any, Literal

import pyarrow as pa
import pyarrow.compute as pc
from anyio.to_thread import run_sync
from fastapi import Query, Response
from pydantic import BaseModel, ConfigDict, Field, create_model

from lakehouse.arrow import column_comment
from lakehouse.contracts.contract import Column, Contract, contracts
from lakehouse.translation import Language
from serving_api.http.cursors import Key, TimeRange, time_range
from serving_api.http.router import Router
from serving_api.reads.keyset import Order, next_rows
from serving_api.reads.names import timezone_of
from serving_api.reads.provenance import current_rule_set
from serving_api.reads.responses import (
    CurrentResponses,
    EncodedPage,
    KeyedItem,
    Responses,
    encode_page,
    rows_after,
    to_json_value,
)
from serving_api.reads.snapshots import Snapshot, Snapshots, newest_of
from serving_api.schemas.envelope import Name, Page, PageQuery, TimeRangeQuery
from serving_api.schemas.problem import problems

KEPT_ROWS = 20_000  # a table of at most so many rows is read once a version
Row = dict[str, Any]
JSON_TYPES: dict[str, Any] = {
    "string": str,
    "int": int,
    "bigint": int,
    "double": float,
    "boolean": bool,
    "timestamp": datetime,
    "date": date,
    "array<string>": list[str],
}


@dataclass(frozen=True)
class ListRequest:
    """What a page of a list is read for.

    `values`: the parameters by name, those in the path too. `others`: the newest versions of the tables that
    the listing reads besides its own. `shared`: the objects of the application by type. `context`: what the
    listing's own dependency returned. `times`: the range of a list that has one.
    """

    values: Mapping[str, Any]
    snapshot: Snapshot
    others: Mapping[str, Snapshot]
    snapshots: Snapshots
    shared: Mapping[Any, Any]
    language: Language
    context: Any = None
    times: TimeRange | None = None


@dataclass(frozen=True)
class Filter:
    """A parameter, and the rows that it keeps.

    `annotation`: type of the value; None: of the column of the table with that name. `rows(value, request)`
    raises Problem for an unknown name; it is not called for an absent value. `rows` None: of no rows of their
    own, but read by other parts of the listing.
    """

    name: str
    description: str | None = None
    rows: Callable[[Any, ListRequest], pc.Expression] | None = None
    annotation: Any = None
    default: Any = None
    required: bool = False
    in_path: bool = False
    examples: tuple[Any, ...] = ()


def equal(name: str, description: str, annotation: Any = None, **more: Any) -> Filter:
    """The rows whose column has the value; without `annotation` the type is that of the column."""
    return Filter(name, description, lambda value, request: pc.field(name) == value, annotation, **more)


@dataclass(frozen=True)
class Listing:
    """A list of a table at an address; types, texts and examples of its items are those of the contract.

    `columns`: "column, column" of the items, in their order. `renamed`: column -> name in the items.
    `missing`: column -> what stands for null. `order`: "column, column desc", which together identify a row.
    `condition`: which rows are listed at all. `times`: the column that `from` and `to` are about. `newest`:
    where their default range ends; None: with the newest value in the table. `demo`: whether an item is
    simulated. `model`: `meta.model`. `others`: further tables that the list reads. `depends_on(values)`: the
    tables that a page follows from, where these are not all. `variant`: what else it follows from.

    For more than columns of rows: `item` is the schema of the items; `item_from` makes one of a row,
    `present` those of a page.
    `rows`: the rows that meet a condition, where they are computed. `keyed`: all rows with their keys, sorted
    by them. `read(request, condition, key, limit)`: up to limit + 1 rows with their keys, where not all rows
    are read. Without `columns` and `present` the rows are the items. `query`: what the schema of the
    parameters adds to. `statuses`: errors besides those that every list has.

    `context`: a dependency, such as who may read; no cache keeps such a list, unless `personal` is false of
    the request. `cached`: false for pages that follow from more than tables.
    """

    table: str
    path: str
    name: str
    item: str | type[BaseModel]
    summary: str
    description: str
    columns: str = ""
    order: str = ""
    filters: tuple[Filter, ...] = ()
    tag: str | None = None
    renamed: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, Any] = field(default_factory=dict)
    query: type[PageQuery] | None = None
    times: str | None = None
    newest: Callable[[ListRequest], date | None] | None = None
    condition: Callable[[ListRequest], pc.Expression] | None = None
    rows: Callable[[ListRequest, pc.Expression], pa.Table] | None = None
    keyed: Callable[[ListRequest], Sequence[KeyedItem]] | None = None
    read: Callable[[ListRequest, pc.Expression, Key | None, int], list[KeyedItem]] | None = None
    item_from: Callable[[Row], Row] | None = None
    present: Callable[[Sequence[Row], ListRequest], list[Row]] | None = None
    demo: Callable[[ListRequest], Callable[[Row], bool]] | None = None
    model: Callable[[ListRequest], Row | None] | None = None
    others: tuple[str, ...] = ()
    depends_on: Callable[[Mapping[str, Any]], Sequence[str]] | None = None
    variant: Callable[[ListRequest], str] | None = None
    rule_set: bool = False
    context: Any = None
    personal: Callable[[ListRequest], bool] = lambda request: request.context is not None
    cached: bool = True
    statuses: tuple[int, ...] = (404,)

    @property
    def contract(self) -> Contract:
        """Of the table."""
        return contracts()[self.table]

    @property
    def sort_keys(self) -> Order:
        """The order as (column, direction)."""
        parts = [part.split() for part in self.order.split(",") if part]
        return tuple((name, "descending" if rest else "ascending") for name, *rest in parts)

    @property
    def item_columns(self) -> list[str]:
        """The columns of the items."""
        return self.columns.replace(",", "").split()

    @property
    def needed(self) -> list[str]:
        """The columns that are read: those of the items and of the order."""
        return list(dict.fromkeys([*self.item_columns, *(name for name, _ in self.sort_keys)]))

    def response_model(self) -> type[BaseModel]:
        """The schema of the items."""
        if not isinstance(self.item, str):
            return self.item
        known = {column.name: column for column in self.contract.columns}
        listed = {self.renamed.get(name, name): known[name] for name in self.item_columns}
        fields: dict[str, Any] = {
            name: (self._item_type(column), Field(description=column_comment(column)))
            for name, column in listed.items()
        }
        example: Any = {name: column.example for name, column in listed.items()}
        config = ConfigDict(json_schema_extra={"examples": [example]} if any(example.values()) else None)
        return create_model(self.item, __doc__=self.contract.description, __config__=config, **fields)

    def _item_type(self, column: Column) -> Any:
        stored = type_of(column)
        return stored | None if column.nullable and column.name not in self.missing else stored

    def query_model(self) -> type[BaseModel]:
        """The schema of the query parameters."""
        fields: dict[str, Any] = {}
        for parameter in (entry for entry in self.filters if not entry.in_path):
            kind = self._parameter_type(parameter)
            optional = kind if parameter.required or parameter.default is not None else kind | None
            default = ... if parameter.required else parameter.default
            texts: dict[str, Any] = {"description": parameter.description}
            texts["examples"] = list(parameter.examples)
            text = Field(default, **{name: text for name, text in texts.items() if text})
            fields[parameter.name] = (optional, text)
        base = self.query or (TimeRangeQuery if self.times else PageQuery)
        return create_model(f"{self.name}_query", __base__=base, **fields)

    def _parameter_type(self, parameter: Filter) -> Any:
        if parameter.annotation is not None:
            return parameter.annotation
        column = next(column for column in self.contract.columns if column.name == parameter.name)
        return Name if column.type == "string" and not column.enum else type_of(column)

    def page(self, query: BaseModel, in_path: Row, responses: Responses, context: Any = None) -> Response:
        """One page. Blocks while a new version of a table is opened. Raises Problem."""
        shared = responses.request.app.state.shared
        snapshots: Snapshots = shared[Snapshots]
        parameters = query.model_dump()
        values = parameters | in_path
        names = self.depends_on(values) if self.depends_on else (self.table, *self.others)
        opened = {name: open_table(snapshots, name) for name in names}
        tables = list(opened.values())
        language = responses.language
        request = ListRequest(values, tables[0], opened, snapshots, shared, language, context)
        if self.times:
            newest = self.newest or (lambda request: newest_of(request.snapshot, str(self.times)))
            zone = timezone_of(values.get("market_id"), values.get("region"))
            times = time_range(values["from_"], values["to"], newest(request), zone)
            request = replace(request, times=times)

        def read(key: Key | None, limit: int) -> EncodedPage:
            rows = self.keyed_rows(request, key, limit)
            demo = self.demo(request) if self.demo else lambda item: False
            model = self.model(request) if self.model else None
            return encode_page(self.items(rows, request), limit, demo, model)

        rule_set = current_rule_set() if self.rule_set else None
        variant = self.variant(request) if self.variant else None
        return responses.page(
            tables,
            parameters,
            read,
            times=request.times,
            variant=variant,
            rule_set=rule_set,
            personal=self.personal(request),
            cached=self.cached,
        )

    def condition_of(self, request: ListRequest) -> pc.Expression:
        """The rows that the parameters keep, of any time. Raises Problem for an unknown name."""
        condition = pc.scalar(True) if self.condition is None else self.condition(request)
        for parameter in self.filters:
            value = request.values[parameter.name]
            if parameter.rows is not None and value is not None:
                condition &= parameter.rows(value, request)
        return condition

    def keyed_rows(self, request: ListRequest, key: Key | None, limit: int) -> Sequence[KeyedItem]:
        """Up to limit + 1 (sort key, row) after `key`. Raises Problem for an unknown name."""
        if self.keyed is not None:
            return rows_after(self.keyed(request), key)[: limit + 1]
        condition = self.condition_of(request)
        if request.times:
            condition &= within(request.times, self.contract, str(self.times))
        if self.read is not None:
            return self.read(request, condition, key, limit)
        if self.rows is not None:
            rows = self.rows(request, condition)
        else:
            if request.snapshot.rows is None and request.snapshot.count > KEPT_ROWS:
                condition = of_newest(request.snapshot, condition, self.sort_keys, key, limit + 1)
            rows = table_rows(request.snapshot, condition, self.needed)
        return next_rows(rows, self.sort_keys, key, limit + 1)

    def items(self, rows: Sequence[KeyedItem], request: ListRequest) -> list[KeyedItem]:
        """The rows as they are listed."""
        if self.present is not None:
            items = self.present([row for _, row in rows], request)
            return [(key, item) for (key, _), item in zip(rows, items, strict=True)]
        make = self.item_from or (self.item_of if self.columns else lambda row: row)
        return [(key, make(row)) for key, row in rows]

    def item_of(self, row: Row) -> Row:
        """A row as an item of the columns."""
        return {
            self.renamed.get(name, name): to_json_value(
                self.missing.get(name) if row[name] is None else row[name]
            )
            for name in self.item_columns
        }


def type_of(column: Column) -> Any:
    """The type of a column's values, without null."""
    return Literal[column.enum] if column.enum else JSON_TYPES[column.type]


def within(times: TimeRange, contract: Contract, column: str) -> pc.Expression:
    """The rows of the range; in a table of days, a time of a day counts as that day."""
    if column == "market_date" and "event_time" in contract.column_names:
        return times.of_prices()
    if next(entry.type for entry in contract.columns if entry.name == column) != "date":
        condition = pc.field(column) >= times.start
        return condition if times.end is None else condition & (pc.field(column) < times.end)
    condition = pc.field(column) >= (times.first_day or times.start.date())
    if times.end is not None:
        condition &= pc.field(column) < (times.end_day or times.end.date())
    return condition


def open_table(snapshots: Snapshots, table: str) -> Snapshot:
    """The newest version: of a table that the API follows, or as it is at this moment."""
    return snapshots[table] if contracts()[table].served else snapshots.open_newest(table)


def table_rows(snapshot: Snapshot, condition: pc.Expression, columns: Sequence[str]) -> pa.Table:
    """The columns of the rows that match; those of a small table are read once a version."""
    if snapshot.rows is not None:
        return snapshot.rows.filter(condition).select(columns)
    if snapshot.count > KEPT_ROWS:
        return snapshot.read(condition, columns)
    whole: pa.Table = snapshot.cached("whole", lambda: snapshot.read(None))
    return whole.filter(condition).select(columns)


def of_newest(
    snapshot: Snapshot, condition: pc.Expression, order: Order, key: Key | None, count: int
) -> pc.Expression:
    """The rows that match, of an order by newest time those alone among which the next `count` are.

    Of 700,000 rows one column takes 60 ms and 5 MB, all of gold.signal_outcomes 0.9 s and 172 MB.
    """
    name, direction = order[0]
    if direction != "descending" or not pa.types.is_timestamp(snapshot.dataset().schema.field(name).type):
        return condition
    later = pc.scalar(True)  # those of the key's own time may come before it
    if key is not None:
        last = pa.scalar(key[0], pa.timestamp("us", "UTC"))
        condition &= pc.field(name) <= last
        later = pc.field(name) < last
    times = snapshot.read(condition & later, [name])
    if times.num_rows <= count:
        return condition
    newest = times.take(pc.select_k_unstable(times, k=count, sort_keys=[(name, direction)]))
    return condition & (pc.field(name) >= pc.min(newest[name]))


def listing_router(tag: str, *listings: Listing) -> Router:
    """The routes of lists. `tag`: of those that name none."""
    router = Router()
    for listing in listings:
        router.add_api_route(
            listing.path,
            endpoint_of(listing),
            response_model=Page[listing.response_model()],  # type: ignore[misc]
            responses=problems(*listing.statuses),
            summary=listing.summary,
            description=cleandoc(listing.description),
            name=listing.name,
            tags=[listing.tag or tag],
        )
    return router


def endpoint_of(listing: Listing) -> Callable[..., Any]:
    """The function that FastAPI calls; its signature names the parameters of the listing.

    A page of tables in memory is read in less time than a thread takes to begin.
    """
    tables = (listing.table, *listing.others)
    in_memory = not (listing.read or listing.keyed) and all(
        contracts()[table].served == "whole" for table in tables
    )

    async def endpoint(
        query: BaseModel, responses: Responses, context: Any = None, **in_path: Any
    ) -> Response:
        if in_memory:
            return listing.page(query, in_path, responses, context)
        return await run_sync(lambda: listing.page(query, in_path, responses, context))

    typed = {
        "query": Annotated[listing.query_model(), Query()],
        "responses": CurrentResponses,
        **({"context": Annotated[Any, listing.context]} if listing.context else {}),
        **{entry.name: entry.annotation for entry in listing.filters if entry.in_path},
    }
    endpoint.__signature__ = Signature(  # type: ignore[attr-defined]
        [Parameter(name, Parameter.KEYWORD_ONLY, annotation=kind) for name, kind in typed.items()]
    )
    return endpoint
