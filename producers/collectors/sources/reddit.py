"""Reddit: new posts of subreddits, newest first. Ids grow with time, so the newest one is the cursor.

Signs in for each poll, then reads each subreddit down to the newest post of the last poll.
"""

import logging
from datetime import UTC, datetime
from typing import Any

from conf.settings import secrets, settings
from lakehouse.times import utc_text
from producers.collectors import source
from producers.collectors.posts import post_item

log = logging.getLogger("lumbung.collectors")
PAGE_ROWS = 100
MOST_PAGES = 10  # Reddit lists the newest 1,000 posts at most
BASE = 36  # of an id's digits
NEEDS = ("collectors.subreddits", "REDDIT_CLIENT_ID", "REDDIT_CLIENT_SECRET")


async def poll(fetch: source.Fetch, cursor: source.Cursor) -> source.Pages:
    """The cursor of a subreddit moves after its last page; its first poll takes a single page."""
    knobs = settings().collectors
    known = secrets()
    sign_in_url = f"{knobs.reddit_sign_in_url.rstrip('/')}/api/v1/access_token"
    token = await fetch.sign_in(sign_in_url, known.reddit_client_id, known.reddit_client_secret)
    headers = {"Authorization": f"Bearer {token}"}
    after = dict(cursor)
    for subreddit in knobs.subreddits:
        url = f"{knobs.reddit_url.rstrip('/')}/r/{subreddit}/new"
        newest = before = after.get(subreddit, 0)
        params = {"limit": str(PAGE_ROWS), "raw_json": "1"}
        for number in range(1, (MOST_PAGES if before else 1) + 1):
            answer = await fetch.get(f"{subreddit} page {number}", url, params, headers)
            if answer is None:
                break
            yield source.SourcePage(answer, None)
            numbers = [post_number(row) for row in posts_of(answer)]
            newest = max(newest, *numbers, 0)
            following = next_page(answer)
            if not numbers or min(numbers) <= before or following is None:
                break
            params["after"] = following
        else:
            if before:
                log.warning("reddit: more new posts in %s than Reddit lists", subreddit)
        after = after | {subreddit: newest}
        yield source.SourcePage(None, after)


def items(answer: source.Answer) -> list[source.Item]:
    """The posts of a page."""
    return [reddit_item(row) for row in posts_of(answer)]


def posts_of(answer: source.Answer) -> list[source.Payload]:
    """The posts of a listing. Raises ShapeChanged."""
    children = source.rows_at(answer.json(), "data", "children")
    rows = [row for child in children if isinstance(row := child.get("data"), dict)]
    if len(rows) != len(children):
        raise source.ShapeChanged("'data.children' holds no posts")
    return rows


def next_page(answer: source.Answer) -> str | None:
    """The position of the next page; None after the last one."""
    position = answer.json()["data"].get("after")
    return position if isinstance(position, str) else None


def post_number(row: source.Payload) -> int:
    """The id as a number; 0 when it is none."""
    try:
        return int(str(row.get("id")), BASE)
    except ValueError:
        return 0


def reddit_item(row: source.Payload) -> source.Item:
    """A post as a post event: title and body are its text."""
    title, body = row.get("title"), row.get("selftext")
    is_text = isinstance(title, str) and isinstance(body, str)
    post = {
        "post_id": row.get("name"),
        "source": "reddit",
        "title": title,
        "text": f"{title}\n{body}" if is_text else title,
        "event_time": created(row.get("created_utc")),
    }
    return post_item("reddit", row, post)


def created(seconds: Any) -> Any:
    """RFC 3339 of epoch seconds; any other value unchanged: the stream refuses it."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        return seconds
    try:
        return utc_text(datetime.fromtimestamp(seconds, UTC))
    except (OverflowError, ValueError, OSError):
        return seconds
