"""X (Twitter) recent search: posts that match a query, newest first.

Asks for what is newer than the newest post of the last poll.
"""

import logging

from conf.settings import secrets, settings
from producers.collectors import source
from producers.collectors.posts import post_item

log = logging.getLogger("lumbung.collectors")
PAGE_ROWS = 100
MOST_PAGES = 10  # of a poll; the first one takes a single page
NEEDS = ("collectors.social_query", "TWITTER_TOKEN")


async def poll(fetch: source.Fetch, cursor: source.Cursor) -> source.Pages:
    """The cursor moves after the last page: newer pages come first."""
    knobs = settings().collectors
    url = f"{knobs.x_url.rstrip('/')}/2/tweets/search/recent"
    since = {"since_id": cursor["since_id"]} if "since_id" in cursor else {}
    params = {
        "query": knobs.social_query,
        "max_results": str(PAGE_ROWS),
        "tweet.fields": "created_at,lang",
    }
    headers = {"Authorization": f"Bearer {secrets().twitter_token}"}
    after = cursor
    following: dict[str, str] = {}
    for number in range(1, (MOST_PAGES if since else 1) + 1):
        answer = await fetch.get(f"page {number}", url, params | since | following, headers)
        if answer is None:
            break
        yield source.SourcePage(answer, None)
        meta = meta_of(answer)
        if number == 1 and "newest_id" in meta:
            after = {"since_id": str(meta["newest_id"])}
        if "next_token" not in meta:
            break
        following = {"next_token": str(meta["next_token"])}
    else:
        if since:
            log.warning("x: more than %d new posts; older ones are left out", MOST_PAGES * PAGE_ROWS)
    yield source.SourcePage(None, after)


def items(answer: source.Answer) -> list[source.Item]:
    """The posts of a page; an answer without any has no list."""
    if meta_of(answer).get("result_count") == 0:
        return []
    return [tweet_item(row) for row in source.rows_at(answer.json(), "data")]


def meta_of(answer: source.Answer) -> source.Payload:
    """The part of the answer about its page. Raises ShapeChanged."""
    content = answer.json()
    meta = content.get("meta") if isinstance(content, dict) else None
    if not isinstance(meta, dict):
        raise source.ShapeChanged("'meta' is not an object")
    return meta


def tweet_item(row: source.Payload) -> source.Item:
    """A post as a post event."""
    post = {
        "post_id": row.get("id"),
        "source": "twitter",
        "text": row.get("text"),
        "lang": row.get("lang"),
        "event_time": row.get("created_at"),
    }
    return post_item("x", row, post)
