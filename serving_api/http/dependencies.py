"""Typed dependencies of routes: the objects of the application and the caller.

They are coroutines, because FastAPI runs plain functions in a thread.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Depends
from starlette.requests import Request

from lakehouse.identity.roles import Principal, Role
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.passwords import Passwords
from lakehouse.io.identity.sign_ins import SignIns
from lakehouse.io.identity.tokens import TokenSigner
from lakehouse.signatures import SigningKeys
from serving_api.http.callers import REQUIREMENTS, principal_of
from serving_api.http.messages import message
from serving_api.http.problems import Problem
from serving_api.http.rate_limits import RateLimits
from serving_api.http.tickets import Tickets
from serving_api.live.service import Live
from serving_api.reads.ledger.integrity_checks import IntegrityChecker
from serving_api.reads.operation.balance import BalanceReader
from serving_api.reads.operation.health import KafkaProbe
from serving_api.reads.operation.lag import KafkaLag
from serving_api.reads.responses import Responses
from serving_api.reads.review.reviews import ReviewReader
from serving_api.reads.sales_model import SalesModels
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.supported import Symbols
from serving_api.reads.trading.signals import NewestSignals
from serving_api.services import Services
from serving_api.writes.alerts import AlertActs
from serving_api.writes.decisions import Decisions
from serving_api.writes.holds import Holds
from serving_api.writes.paper_orders import PaperOrders
from serving_api.writes.publish import RememberingProducer
from serving_api.writes.verification import Verification


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


async def _services(request: Request) -> Services:
    return services_of(request)


CurrentServices = Annotated[Services, Depends(_services)]
CurrentSnapshots = Annotated[Snapshots, _service("snapshots")]
CurrentResponses = Annotated[Responses, Depends(_responses)]
CurrentReviews = Annotated[ReviewReader, _service("reviews")]
CurrentBalance = Annotated[BalanceReader, _service("balance")]
CurrentSymbols = Annotated[Symbols, _service("symbols")]
CurrentSalesModel = Annotated[SalesModels, _service("sales_model")]
CurrentIntegrityChecker = Annotated[IntegrityChecker, _service("integrity")]
CurrentProducer = Annotated[RememberingProducer, _service("producer")]
CurrentSigningKeys = Annotated[SigningKeys, _service("signing_keys")]
CurrentDecisions = Annotated[Decisions, _service("decisions")]
CurrentHolds = Annotated[Holds, _service("holds")]
CurrentAlertActs = Annotated[AlertActs, _service("alert_acts")]
CurrentSignals = Annotated[NewestSignals, _service("signals")]
CurrentPaperOrders = Annotated[PaperOrders, _service("paper_orders")]
CurrentLive = Annotated[Live, _service("live")]
CurrentKafkaLag = Annotated[KafkaLag, _service("lag")]
CurrentDatabase = Annotated[Database, _service("database")]
CurrentSigner = Annotated[TokenSigner, _service("signer")]
CurrentSignIns = Annotated[SignIns, _service("sign_ins")]
CurrentPasswords = Annotated[Passwords, _service("passwords")]
CurrentVerification = Annotated[Verification, _service("verification")]
CurrentTickets = Annotated[Tickets, _service("tickets")]
CurrentLimits = Annotated[RateLimits, _service("limits")]
CurrentKafkaProbe = Annotated[KafkaProbe, _service("kafka")]


def at_least(request: Request, required: Role) -> Principal:
    """The caller, with this role or one above. Raises Problem 401 without one, 403 when it may not.

    An API key may only read, if that is one of its scopes.
    """
    principal = principal_of(request)
    if principal is None:
        raise Problem("unauthorized")
    if principal.role < required:
        raise Problem("forbidden", reason=message("role_required", role=required.label))
    if principal.scopes is not None and (request.method != "GET" or not principal.may("read")):
        raise Problem("forbidden", reason=message("key_may_not"))
    return principal


def anybody(request: Request) -> None:
    """No caller: for signing in, where a token that has expired may still be sent."""


def user(request: Request) -> Principal:
    """A person: user or above. Raises Problem 401 or 403."""
    return at_least(request, Role.USER)


def operator(request: Request) -> Principal:
    """The caller: operator or above. Raises Problem 401 or 403."""
    return at_least(request, Role.OPERATOR)


def central(request: Request) -> Principal:
    """The caller: central or above. Raises Problem 401 or 403."""
    return at_least(request, Role.CENTRAL)


def admin(request: Request) -> Principal:
    """The caller: an administrator. Raises Problem 401 or 403."""
    return at_least(request, Role.ADMIN)


def account_holder(request: Request) -> Principal:
    """A signed-in person with an account, not an API key nor a token of this machine.

    Raises Problem 401 or 403.
    """
    principal = user(request)
    if principal.user_id is None or principal.scopes is not None:
        raise Problem("forbidden", reason=message("sign_in_required"))
    return principal


def sender(request: Request) -> Principal:
    """The caller if it may send events: a device, or an operator and above, by an API key with that scope.

    Raises Problem 401 or 403.
    """
    principal = principal_of(request)
    if principal is None:
        raise Problem("unauthorized")
    if principal.role is Role.USER:
        raise Problem("forbidden", reason=message("sender_required"))
    if not principal.may("read" if request.method == "GET" else "ingest"):
        raise Problem("forbidden", reason=message("key_may_not"))
    return principal


def owner_or_operator(request: Request) -> Principal:
    """The caller: a device, which sees itself alone, or an operator and above. Raises Problem 401 or 403."""
    principal = principal_of(request)
    return principal if principal and principal.device_id else operator(request)


def _caller(identify: Callable[[Request], Principal]) -> Any:
    async def caller(request: Request) -> Principal:
        return identify(request)

    REQUIREMENTS[caller] = identify.__name__
    return Depends(caller)


USER = _caller(user)
OPERATOR = _caller(operator)
CENTRAL = _caller(central)
ADMIN = _caller(admin)
ACCOUNT_HOLDER = _caller(account_holder)
SENDER = _caller(sender)
OWNER_OR_OPERATOR = _caller(owner_or_operator)
