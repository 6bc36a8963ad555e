"""Rate limits: which ones apply to a request, counted in moving windows whose memory is bounded."""

import ipaddress
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from conf.settings import settings
from lakehouse.identity.roles import Principal, Role

MINUTE = 60
HOUR = 3600
EXPENSIVE = (
    "/api/v1/analytics/correlation",
    "/api/v1/predict/anomaly",
    "/api/v1/predict/batch",
    "/api/v1/sentiment/correlation",
)
HASHING = {  # a password is hashed
    ("POST", "/api/v1/auth/login"),
    ("POST", "/api/v1/auth/link"),
    ("POST", "/api/v1/users/me/password"),
    ("POST", "/api/v1/users/me/keys"),
    ("DELETE", "/api/v1/users/me"),
}
REGISTER = "/api/v1/users/register"
REGISTRATION = (REGISTER, "/api/auth/device/register", "/api/public/device/register")
MANUAL_ALERT = "/api/alerts/trigger"  # messages go to many people


class BoundedWindows:
    """Times of requests by caller, for at most `most` callers; one event loop uses it.

    The storages of the `limits` library keep an entry for every caller that they ever saw. Here the caller
    whose last counted request is the oldest makes room: many strange addresses must not stop those who come
    later.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = most
        self._clock = clock
        self._windows: OrderedDict[str, deque[float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._windows)

    def hit(self, key: str, requests: int, seconds: int) -> tuple[bool, int, float]:
        """(whether one more request fits and is counted, how many are left, when the oldest one expires)."""
        now = self._clock()
        times = self._windows.get(key, deque[float]())
        while times and times[0] <= now - seconds:
            times.popleft()
        fits = len(times) < requests
        if fits:
            times.append(now)
            self._windows[key] = times
            self._windows.move_to_end(key)
            if len(self._windows) > self._most:
                self._windows.popitem(last=False)
        return fits, requests - len(times), (times[0] if times else now) + seconds


@dataclass(frozen=True)
class Limit:
    """So many requests in so many seconds, by its name in the headers, and whose requests it counts."""

    name: str
    requests: int
    seconds: int
    caller: str


@dataclass(frozen=True)
class LimitState:
    """State of a limit after a request. `reset_seconds`: until the oldest request leaves the window."""

    limit: Limit
    allowed: bool
    remaining: int
    reset_seconds: int


class RateLimits:
    """Counts requests; one per application."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows = BoundedWindows(settings().limits.callers, clock)

    def count(self, limits: Sequence[Limit]) -> list[LimitState]:
        """The state of each limit with this request, up to the first one that refuses it."""
        states: list[LimitState] = []
        for limit in limits:
            key = f"{limit.name} {limit.caller}"
            allowed, remaining, reset = self._windows.hit(key, limit.requests, limit.seconds)
            seconds = max(math.ceil(reset - self._clock()), 1 if not allowed else 0)
            states.append(
                LimitState(limit, allowed or not settings().limits.enforced, max(remaining, 0), seconds)
            )
            if not states[-1].allowed:
                break
        return states


def network_of(address: str) -> str:
    """An IPv4 address itself, of IPv6 the /64 network, which one subscriber has."""
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return address[:64]
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)


def caller_address(peer: str, forwarded: str | None) -> str:
    """The address of the caller: the last one in X-Forwarded-For that no trusted proxy has.

    The header counts only when the peer is a trusted proxy: anybody can write it.
    """
    proxies = settings().limits.trusted_proxies
    hops = [peer, *reversed([part.strip() for part in (forwarded or "").split(",") if part.strip()])]
    for address in hops:
        try:
            parsed = ipaddress.ip_address(address)
        except ValueError:
            return network_of(peer)
        if not any(parsed in proxy for proxy in proxies):
            return network_of(address)
    return network_of(hops[-1])


def limits_of(path: str, method: str, principal: Principal | None, address: str) -> list[Limit]:
    """The limits that a request counts in, the special ones first."""
    knobs = settings().limits
    caller = caller_name(principal, address)
    limits: list[Limit] = []
    if (method, path) in HASHING:
        limits.append(Limit("sign-in", knobs.sign_in_per_address, MINUTE, address))
    registers_devices = principal is not None and principal.role >= Role.OPERATOR and path != REGISTER
    if method == "POST" and path in REGISTRATION and not registers_devices:
        limits.append(Limit("registration", knobs.registrations_per_hour, HOUR, address))
    if method == "POST" and path == MANUAL_ALERT:
        limits.append(Limit("alerts", knobs.manual_alerts_per_hour, HOUR, caller))
    if path.startswith(EXPENSIVE):
        limits.append(expensive_limit(caller))
    return [*limits, general_limit(principal, caller)]


def caller_name(principal: Principal | None, address: str) -> str:
    """Whose requests are counted: a known caller's, else those of the address."""
    return f"caller {principal.subject}" if principal else f"address {address}"


def expensive_limit(caller: str) -> Limit:
    """The limit of requests that read or compute much. `caller`: of `caller_name`."""
    return Limit("expensive", settings().limits.expensive_per_minute, MINUTE, caller)


def general_limit(principal: Principal | None, caller: str) -> Limit:
    """The limit of every request: by address, by person, or by device."""
    knobs = settings().limits
    if principal is None:
        return Limit("anonymous", knobs.anonymous_per_minute, MINUTE, caller)
    if principal.role is Role.DEVICE:
        seconds = max(knobs.device_burst // knobs.device_per_second, 1)
        return Limit("device", knobs.device_per_second * seconds, seconds, caller)
    return Limit("signed-in", knobs.signed_in_per_minute, MINUTE, caller)


def account_limit(account: str) -> Limit:
    """The limit of logins for one e-mail address, known or not."""
    return Limit("account", settings().limits.sign_in_per_account, MINUTE, account)


def header_values(states: Sequence[LimitState]) -> tuple[str, str]:
    """Values of RateLimit-Policy and RateLimit (draft-ietf-httpapi-ratelimit-headers-10)."""
    policy = ", ".join(
        f'"{state.limit.name}";q={state.limit.requests};w={state.limit.seconds}' for state in states
    )
    state = ", ".join(f'"{state.limit.name}";r={state.remaining};t={state.reset_seconds}' for state in states)
    return policy, state
