"""Accounts of people: register, and read, change, export or delete the own one."""

from contextlib import suppress

from anyio.to_thread import run_sync
from fastapi import Request, Response

from conf.settings import settings
from lakehouse.identity.passwords import normal_email
from lakehouse.identity.roles import Principal
from lakehouse.io import personal_jobs
from lakehouse.io.identity import accounts
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.passwords import Passwords
from lakehouse.io.identity.sign_ins import SignIns
from lakehouse.io.identity.tables import User
from lakehouse.times import utc_text
from serving_api.http.callers import count_login, password_turn, require_strong
from serving_api.http.dependencies import AccountHolder
from serving_api.http.messages import message
from serving_api.http.problems import Problem, invalid
from serving_api.http.router import Router
from serving_api.http.shared import Shared
from serving_api.reads.responses import PRIVATE, json_response
from serving_api.schemas.identity.accounts import (
    Account,
    AccountExport,
    ConfirmationBody,
    PasswordBody,
    ProfileBody,
    Registered,
    RegistrationBody,
)
from serving_api.schemas.problem import problems
from serving_api.writes.verification import TooManyMails, Verification

router = Router(prefix="/api/v1/users", tags=["accounts"])


@router.post("/register", status_code=202, response_model=Registered, summary="Create an account")
async def register(
    request: Request,
    body: RegistrationBody,
    database: Shared[Database],
    passwords: Shared[Passwords],
    verification: Shared[Verification],
) -> Response:
    """The account has the role `user` and can sign in at once. A known address gets the same answer.

    While `identity.verify_email` is set, a link that is mailed to the address sets the password instead.
    """
    email = normal_email(body.email)
    if email is None:
        raise invalid("/email", "email_format", message("email_format"))
    async with password_turn(request):
        await run_sync(require_strong, body.password, email)
    if settings().identity.verify_email:
        try:
            await verification.register(email, body.full_name, body.locale)
        except TooManyMails:
            raise Problem("warming-up", reason=message("too_many_mails")) from None
        return json_response({"status": "accepted"}, 202)
    async with password_turn(request):
        hashed = await passwords.hash(body.password)
    with suppress(accounts.AccountExists):
        await accounts.create(
            database,
            email,
            actor=None,
            password_hash=hashed,
            full_name=body.full_name,
            locale=body.locale,
        )
    return json_response({"status": "accepted"}, 202)


@router.get("/me", response_model=Account, summary="The own account")
async def get_account(caller: AccountHolder, database: Shared[Database]) -> Response:
    """E-mail addresses are shown to their owner and to administrators alone."""
    return account_response(await accounts.by_id(database, id_of(caller)))


@router.patch("/me", response_model=Account, summary="Change name or language")
async def change_account(
    body: ProfileBody,
    caller: AccountHolder,
    database: Shared[Database],
) -> Response:
    """Fields that are not given stay. `full_name` null removes the name."""
    changes = body.model_dump(exclude_unset=True)
    if changes.get("locale", "id") is None:
        raise invalid("/locale", "locale_known", message("locale_known"))
    return account_response(await accounts.change_profile(database, id_of(caller), changes))


@router.post("/me/password", status_code=204, response_class=Response, summary="Change the password")
async def change_password(
    request: Request,
    body: PasswordBody,
    caller: AccountHolder,
    database: Shared[Database],
    sign_ins: Shared[SignIns],
) -> None:
    """The current password confirms it; a wrong one counts like one of a login.

    All sign-ins of the person end, this one too, and its API keys.
    """
    user = await accounts.by_id(database, id_of(caller))
    count_login(request, user.email)
    async with password_turn(request):
        await run_sync(require_strong, body.new_password, user.email, "new_password")
        await sign_ins.change_password(user, body.current_password, body.new_password)


@router.get(
    "/me/export",
    response_model=AccountExport,
    summary="Everything that is stored about the caller",
)
async def export_account(caller: AccountHolder, database: Shared[Database]) -> Response:
    """Account, sign-ins, API keys, choices, messages, jobs and entries of the audit, without secrets."""
    exported = await accounts.export_account(database, id_of(caller))
    jobs = await run_sync(personal_jobs.export, id_of(caller))
    return json_response(exported | {"jobs": jobs}, cache=PRIVATE)


@router.delete(
    "/me", status_code=204, response_class=Response, responses=problems(409), summary="Delete the own account"
)
async def delete_account(
    request: Request,
    body: ConfirmationBody,
    caller: AccountHolder,
    database: Shared[Database],
    sign_ins: Shared[SignIns],
) -> None:
    """The account with all that belongs to it is removed; the audit keeps its id alone.

    The password confirms it.
    """
    user = await accounts.by_id(database, id_of(caller))
    count_login(request, user.email)
    async with password_turn(request):
        await sign_ins.confirm(user, body.password)
    try:
        await accounts.delete_account(database, user.user_id, user.user_id)
    except accounts.LastAdmin:
        raise Problem("last-admin") from None
    await run_sync(personal_jobs.remove_all, user.user_id)


def id_of(caller: Principal) -> str:
    """The id of the caller's account."""
    assert caller.user_id is not None
    return caller.user_id


def account_response(user: User) -> Response:
    """The account as its owner sees it."""
    names = ("user_id", "email", "full_name", "role", "regions", "locale")
    item = {name: getattr(user, name) for name in names}
    return json_response(item | {"created_at": utc_text(user.created_at)}, cache=PRIVATE)
