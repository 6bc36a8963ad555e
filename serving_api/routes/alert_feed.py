"""Alerts as an Atom feed (RFC 4287), for feed readers and editors."""

import xml.etree.ElementTree as ET
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal
from urllib.parse import urlencode
from uuid import UUID, uuid5

import pyarrow.compute as pc
from fastapi import Query, Request, Response
from pydantic import Field

from conf.settings import settings
from lakehouse.alerts.notices import PAGE
from lakehouse.reference import commodities
from lakehouse.strange_text import visible
from lakehouse.times import utc_text
from lakehouse.translation import Language
from serving_api.http.router import Router
from serving_api.live.alert_items import alert_item
from serving_api.reads.dashboard.plain_page import Words, words_of
from serving_api.reads.names import commodity_ids, region_code
from serving_api.reads.responses import CurrentResponses, etag_of, not_modified, public_headers
from serving_api.schemas.envelope import Name, QueryParameters

ATOM = "http://www.w3.org/2005/Atom"
MEDIA_TYPE = "application/atom+xml"
IDS = UUID("5f1a1c4e-4c9b-5d3e-9f57-6c756d62756e")  # ids of entries are derived in it, and stay
RANG = ("active", "acknowledged", "cleared")  # the others were never active
MOST_ENTRIES = 100
NOT_IN_XML = {0xFFFE: "\ufffd", 0xFFFF: "\ufffd"}

router = Router(tags=["alerts"])


class FeedQuery(QueryParameters):
    """Parameters of the feed."""

    commodity: Name | None = Field(None, description="id or alias; a group has its members too")
    region: Name | None = Field(None, description="province name or two-digit code")
    level: Literal["info", "naik", "waspada", "siaga", "kritis"] | None = Field(
        None, description="only alerts of this level"
    )
    lang: Language = Field("id", description="of the texts")


@router.get(
    "/api/public/alerts/feed.atom",
    include_in_schema=False,  # for readers of feeds: generators of clients do not know the media type
)
async def get_alert_feed(query: Annotated[FeedQuery, Query()], responses: CurrentResponses) -> Response:
    """The 100 alerts that changed last, of those that were ever active. Their ids stay."""
    snapshot = responses.snapshots["gold.alerts"]
    etag = etag_of(responses.request, [snapshot])
    condition = pc.field("state").isin(RANG)
    if query.commodity:
        condition &= pc.field("commodity").isin(sorted(commodity_ids(query.commodity)))
    if query.region:
        condition &= pc.field("region_code") == region_code(query.region)
    if query.level:
        condition &= pc.field("level") == query.level
    if unchanged := not_modified(responses.request, etag):
        return unchanged
    order = [("updated_at", "descending"), ("alert_id", "ascending")]
    alerts = snapshot.rows.filter(condition).sort_by(order).slice(0, MOST_ENTRIES).to_pylist()
    content = feed_of(alerts, query, responses.request)
    return Response(content, headers=public_headers(etag), media_type=f"{MEDIA_TYPE}; charset=utf-8")


def feed_of(alerts: list[dict[str, Any]], query: FeedQuery, request: Request) -> bytes:
    """The document. Its id depends on commodity, province, level and language alone."""
    words = words_of(query.lang)
    chosen = query.model_dump(exclude_none=True)
    about = [value for name, value in chosen.items() if name != "lang"]
    site = settings().public_url
    feed = ET.Element(f"{{{ATOM}}}feed", {"xml:lang": query.lang})
    add(feed, "title", " · ".join([words.text("feed_title"), *about]))
    add(feed, "id", urn(f"feed {sorted(chosen.items())}"))
    newest = alerts[0]["updated_at"] if alerts else datetime(1970, 1, 1, tzinfo=UTC)
    add(feed, "updated", utc_text(newest))
    add(add(feed, "author"), "name", "Lumbung")
    add(feed, "link", rel="self", type=MEDIA_TYPE, href=f"{site}{request.url.path}?{urlencode(chosen)}")
    add(feed, "link", rel="alternate", type="text/html", href=f"{site}{PAGE}")
    for alert in alerts:
        add_entry(feed, alert, words, f"{site}{PAGE}")
    document: bytes = ET.tostring(feed, encoding="utf-8", xml_declaration=True)
    return document


def add_entry(feed: ET.Element, alert: Mapping[str, Any], words: Words, page: str) -> None:
    """An alert: what and where in the title, its message, and what to do."""
    item = alert_item(alert, words.language)
    entry = add(feed, "entry")
    known = commodities().get(item["commodity"] or "")
    subject = known.name if known else words.text(f"alert_rule_{item['rule']}")
    place = item["market_id"] or item["region"] or words.text("nation")
    ended = f" ({words.text('alert_cleared')})" if item["state"] == "cleared" else ""
    add(entry, "title", f"{words.text('level_' + item['level'])}: {subject}, {place}{ended}")
    add(entry, "id", urn(item["alert_id"]))
    add(entry, "published", item["opened_at"])
    add(entry, "updated", item["updated_at"])
    add(entry, "link", rel="alternate", type="text/html", href=f"{page}?{urlencode(page_query(item))}")
    for term in (item["level"], item["commodity"], item["region"]):
        if term:
            add(entry, "category", term=term)
    add(entry, "summary", item["message"])
    add(entry, "content", "\n".join(text for text in (item["message"], item["action"]) if text), type="text")


def page_query(item: Mapping[str, Any]) -> dict[str, str]:
    """The parameters of /peringatan that show an alert among few others."""
    state = {"keadaan": "cleared"} if item["state"] == "cleared" else {}
    about = {"tentang": item["commodity"], "prov": item["region"]}
    named = {name: value for name, value in about.items() if value}
    return {"peringatan": item["alert_id"], "tingkat": item["level"], **named, **state}


def urn(name: str) -> str:
    """A lasting id for a name."""
    return f"urn:uuid:{uuid5(IDS, name)}"


def add(parent: ET.Element, name: str, text: str | None = None, **attributes: str) -> ET.Element:
    """A new child; characters that XML cannot hold are shown as U+FFFD."""
    child = ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    child.text = None if text is None else visible(text).translate(NOT_IN_XML)
    return child


ET.register_namespace("", ATOM)
