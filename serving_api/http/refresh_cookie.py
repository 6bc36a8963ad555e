"""The refresh token of a browser in a cookie: no script can read it, no other site can have it sent."""

import ipaddress
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from conf.settings import settings
from serving_api.http.messages import message
from serving_api.http.problems import Problem

NAME = "lumbung_refresh"
PATH = "/api/v1/auth/refresh"  # the only address that a browser sends it to
DAY_SECONDS = 86_400


def is_own_origin(connection: HTTPConnection) -> bool:
    """Whether a page of this address opened the connection; browsers name its origin, scripts cannot.

    The address is that of `api.public_url`. Without it, only numbers and localhost are known to be this
    machine: the owner of any other name can let it point here, and then Host and Origin agree.
    """
    origin = urlsplit(connection.headers.get("origin") or "")
    if public := settings().api.public_url:
        address = urlsplit(public)
        if (origin.scheme, origin.netloc) == (address.scheme, address.netloc):
            return True
    return origin.netloc == connection.headers.get("host") and _is_number_or_localhost(origin.hostname or "")


def _is_number_or_localhost(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return name == "localhost"
    return True


def require_own_origin(request: Request) -> None:
    """For requests that set or use the cookie. Raises Problem 403 for other pages and for programs."""
    if not is_own_origin(request):
        raise Problem("forbidden", reason=message("cookie_origin"))


def cookie_token(request: Request) -> str:
    """The refresh token of the cookie. Raises Problem 401 without one, 403 for another origin."""
    token = request.cookies.get(NAME)
    if not token:
        raise Problem("token-invalid")
    require_own_origin(request)
    return token


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Keep a refresh token in the browser; over TLS only where the page came over TLS."""
    response.set_cookie(
        NAME,
        token,
        max_age=settings().identity.refresh_days * DAY_SECONDS,
        path=PATH,
        secure=urlsplit(request.headers["origin"]).scheme == "https",
        httponly=True,
        samesite="strict",
    )


def delete_cookie(response: Response) -> None:
    """Remove the cookie from the browser."""
    response.delete_cookie(NAME, path=PATH, httponly=True, samesite="strict")
