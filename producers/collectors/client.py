"""HTTP to one source: its pace, its wishes to wait, conditional requests, retries of failures that may pass.

No message or log names an address, a header or a parameter: they may hold a key.
"""

import asyncio
import base64
import hashlib
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from conf.settings import settings
from producers.collectors.recordings import Recorder
from producers.collectors.source import Answer, RequestRefused, TransientFailure
from producers.collectors.state import SourceState

NOT_MODIFIED = 304
TOO_MANY = 429
FIRST_SERVER_ERROR = 500
AGENT = "Lumbung (price lakehouse; collects at the pace of conf/collectors)"


class SourceClient:
    """Requests to one source, one at a time.

    They raise TransientFailure after the last attempt, and RequestRefused.
    """

    def __init__(
        self, state: SourceState, per_minute: float, http: httpx2.AsyncClient, recorder: Recorder | None
    ) -> None:
        self._state = state
        self._pause = 60 / per_minute
        self._http = http
        self._recorder = recorder
        self._next = 0.0  # monotonic seconds of the next request
        self.requested: set[str] = set()  # names of answers since the poll began

    async def get(
        self,
        name: str,
        url: str,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer | None:
        """The answer; None when nothing has changed since the one stored last under this name."""
        self.requested.add(name)
        request = self._http.build_request("GET", url, params=params, headers=headers)
        address = hashlib.sha256(str(request.url).encode()).hexdigest()[:16]
        if etag := self._state.etag(name, address):
            request.headers["If-None-Match"] = etag
        response, body = await self._answered(request)
        if response.status_code == NOT_MODIFIED:
            return None
        etag = response.headers.get("etag")
        validator = (etag, address) if etag else None
        answer = Answer(name, body, datetime.now(UTC), _date_of(response.headers), validator)
        if self._recorder:
            self._recorder.write(answer)
        return answer

    async def sign_in(self, url: str, user: str, password: str) -> str:
        """An access token by OAuth 2 client credentials. Raises RequestRefused when the answer holds none."""
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()
        request = self._http.build_request(
            "POST",
            url,
            data={"grant_type": "client_credentials"},
            headers={"Authorization": f"Basic {basic}"},
        )
        response, body = await self._answered(request)
        try:
            return str(httpx2.Response(response.status_code, content=body).json()["access_token"])
        except (ValueError, KeyError, TypeError):
            raise RequestRefused("the answer to the sign-in holds no access token") from None

    async def _answered(self, request: httpx2.Request) -> tuple[httpx2.Response, bytes]:
        knobs = settings().collectors
        attempts = AsyncRetrying(
            retry=retry_if_exception_type(TransientFailure),
            stop=lambda state: (
                stop_after_attempt(knobs.attempts)(state) or _wait(state) > knobs.longest_wait_seconds
            ),
            wait=_wait,
            reraise=True,
        )
        return await attempts(self._attempt, request)

    async def _attempt(self, request: httpx2.Request) -> tuple[httpx2.Response, bytes]:
        """One request at the source's pace. Raises TransientFailure and RequestRefused."""
        await asyncio.sleep(self._next - time.monotonic())
        self._next = time.monotonic() + self._pause
        limit = settings().collectors.request_seconds
        try:
            async with asyncio.timeout(limit):
                response = await self._http.send(request, stream=True)
                try:
                    body = await _body(response)
                finally:
                    await response.aclose()
        except TimeoutError:
            raise TransientFailure(f"no whole answer within {limit:g} s") from None
        except (httpx2.TransportError, httpx2.DecodingError) as error:
            raise TransientFailure(f"no whole answer: {type(error).__name__}") from None
        if response.is_success or response.status_code == NOT_MODIFIED:
            return response, body
        reason = f"status {response.status_code}"
        if response.status_code == TOO_MANY or response.status_code >= FIRST_SERVER_ERROR:
            raise TransientFailure(reason, _rest(response.headers))
        raise RequestRefused(reason)


async def _body(response: httpx2.Response) -> bytes:
    """The whole body. Raises RequestRefused for one that is too large."""
    parts = []
    size = 0
    limit = settings().collectors.answer_max_bytes
    async for part in response.aiter_bytes():
        size += len(part)
        if size > limit:
            raise RequestRefused(f"an answer of more than {limit} bytes")
        parts.append(part)
    return b"".join(parts)


def _wait(state: RetryCallState) -> float:
    """Seconds before the next attempt: doubling, and at least what the source asks for."""
    error = state.outcome.exception() if state.outcome else None
    rest_seconds = error.retry_after if isinstance(error, TransientFailure) else 0.0
    return max(rest_seconds, settings().collectors.retry_seconds * 2.0 ** (state.attempt_number - 1))


def _rest(headers: httpx2.Headers) -> float:
    """Seconds of the header Retry-After, which may also hold a date; 0 without one that can be read."""
    text = headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    moment = _moment(text)
    begin = _date_of(headers) or datetime.now(UTC)  # both times of the source's clock
    return max(0.0, (moment - begin).total_seconds()) if moment else 0.0


def _date_of(headers: httpx2.Headers) -> datetime | None:
    return _moment(headers.get("date", ""))


def _moment(text: str) -> datetime | None:
    """The time in an HTTP date."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
