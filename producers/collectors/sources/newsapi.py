"""NewsAPI: articles that match a query, newest first.

Asks for what was published since the newest article, less an hour.
"""

import logging
from datetime import timedelta

from conf.settings import secrets, settings
from lakehouse.times import parse_time, utc_text
from producers.collectors import source
from producers.collectors.posts import post_item

log = logging.getLogger("lumbung.collectors")
PAGE_ROWS = 100
MOST_PAGES = 5  # of a poll: the free plan gives 100 requests a day
OVERLAP = timedelta(hours=1)  # articles are indexed late; those that were sent are recognised
NEEDS = ("collectors.news_query", "NEWSAPI_KEY")


async def poll(fetch: source.Fetch, cursor: source.Cursor) -> source.Pages:
    """The cursor moves after the last page: newer pages come first."""
    knobs = settings().collectors
    since = {"from": cursor["from"]} if "from" in cursor else {}
    params = {"q": knobs.news_query, "sortBy": "publishedAt", "pageSize": str(PAGE_ROWS), **since}
    url = f"{knobs.newsapi_url.rstrip('/')}/v2/everything"
    headers = {"X-Api-Key": secrets().newsapi_key}
    after = cursor
    for number in range(1, MOST_PAGES + 1):
        paged = params | {"page": str(number)}
        try:
            answer = await fetch.get(f"page {number}", url, paged, headers)
        except source.RequestRefused as error:
            if number == 1:
                raise
            log.warning("newsapi: page %d: %s; the plan gives no older articles", number, error)
            break
        if answer is None:
            break
        yield source.SourcePage(answer, None)
        rows = source.rows_at(answer.json(), "articles")
        if number == 1:
            after = cursor_of(rows, answer) or cursor
        if len(rows) < PAGE_ROWS:
            break
    else:
        log.warning("newsapi: more than %d new articles; older ones are left out", MOST_PAGES * PAGE_ROWS)
    yield source.SourcePage(None, after)


def items(answer: source.Answer) -> list[source.Item]:
    """The articles of a page; their address identifies them."""
    return [article_item(row) for row in source.rows_at(answer.json(), "articles")]


def cursor_of(rows: list[source.Payload], answer: source.Answer) -> source.Cursor | None:
    """Where the next poll begins; None when no row has a time."""
    times = [time for row in rows if (time := parse_time(str(row.get("publishedAt"))))]
    if not times:
        return None
    newest = source.at_most_now(max(times), answer) - OVERLAP
    return {"from": utc_text(newest.replace(microsecond=0))}


def article_item(row: source.Payload) -> source.Item:
    """An article as a post event."""
    post = {
        "post_id": row.get("url"),
        "source": "news",
        "title": row.get("title"),
        "text": row.get("description"),
        "event_time": row.get("publishedAt"),
    }
    return post_item("newsapi", row, post)
