"""Typed dependencies of routes: the objects of the application and the role of the caller.

They are coroutines, because FastAPI runs plain functions in a thread.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from serving_api.http.auth import Role
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.live.service import Live
from serving_api.reads.balance import BalanceReader
from serving_api.reads.health import KafkaProbe
from serving_api.reads.integrity_checks import IntegrityChecker
from serving_api.reads.lag import KafkaLag
from serving_api.reads.responses import Responses
from serving_api.reads.reviews import ReviewReader
from serving_api.reads.sales_model import SalesModel
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.supported import Symbols
from serving_api.services import Services
from serving_api.writes.alerts import AlertActs
from serving_api.writes.decisions import Decisions
from serving_api.writes.publish import RememberingProducer


def services_of(request: Request) -> Services:
    """The objects that the application opened at its start."""
    services: Services = request.app.state.services
    return services


def _service(name: str) -> Any:
    """A dependency that returns one of the application's objects."""

    async def service(request: Request) -> Any:
        return getattr(services_of(request), name)

    return Depends(service)


async def _responses(request: Request) -> Responses:
    services = services_of(request)
    return Responses(request, services.lag, services.cursors)


CurrentSnapshots = Annotated[Snapshots, _service("snapshots")]
CurrentResponses = Annotated[Responses, Depends(_responses)]
CurrentReviews = Annotated[ReviewReader, _service("reviews")]
CurrentBalance = Annotated[BalanceReader, _service("balance")]
CurrentSymbols = Annotated[Symbols, _service("symbols")]
CurrentSalesModel = Annotated[SalesModel, _service("sales_model")]
CurrentIntegrityChecker = Annotated[IntegrityChecker, _service("integrity")]
CurrentProducer = Annotated[RememberingProducer, _service("producer")]
CurrentDecisions = Annotated[Decisions, _service("decisions")]
CurrentAlertActs = Annotated[AlertActs, _service("alert_acts")]
CurrentLive = Annotated[Live, _service("live")]
CurrentKafkaLag = Annotated[KafkaLag, _service("lag")]
CurrentKafkaProbe = Annotated[KafkaProbe, _service("kafka")]


def role_of(request: Request) -> Role | None:
    """The caller's role, None for an anonymous caller. Raises Problem 401 for an unknown token."""
    return services_of(request).bearers.role_of(request)


def at_least(request: Request, required: Role) -> Role:
    """The caller's role. Raises Problem 401 without one, 403 when it is too low or a device."""
    role = role_of(request)
    if role is None:
        raise Problem("unauthorized")
    if role < required:
        raise Problem("forbidden", reason=message("role_required", role=required.name.lower()))
    return role


def operator(request: Request) -> Role:
    """The caller's role: operator or above. Raises Problem 401 or 403."""
    return at_least(request, Role.OPERATOR)


def central(request: Request) -> Role:
    """The caller's role: central or above. Raises Problem 401 or 403."""
    return at_least(request, Role.CENTRAL)


def sender(request: Request) -> Role:
    """The caller's role if it may send events: a device, or an operator and above.

    Raises Problem 401 or 403.
    """
    role = role_of(request)
    if role is Role.USER:
        raise Problem("forbidden", reason=message("sender_required"))
    return role if role is Role.DEVICE else operator(request)


def _caller(identify: Callable[[Request], Role]) -> Any:
    async def caller(request: Request) -> Role:
        return identify(request)

    return Depends(caller)


OPERATOR = _caller(operator)
CENTRAL = _caller(central)
SENDER = _caller(sender)
