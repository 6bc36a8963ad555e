"""Create accounts, change their roles, disable or reset them, and sign short-lived tokens of this machine."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Annotated, Literal, TypeVar

import typer

from conf.runtime.exit_codes import ExitCode
from lakehouse.identity.passwords import normal_email
from lakehouse.identity.roles import Role, role_named
from lakehouse.io.identity import accounts
from lakehouse.io.identity.audit import COMMAND
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.small_databases import DamagedDatabaseError, refuse_damaged_databases
from lakehouse.reference import matching_key, region_aliases
from scripts.console import console, fail, new_app
from scripts.local_api import local_token
from scripts.stack.readiness import api_url

app = new_app(__doc__)
DEMO_ADMIN = "admin@lumbung.example"
LONGEST_MINUTES = 24 * 60
PersonRole = Literal["user", "operator", "central", "admin"]
TokenRole = Literal["device", "user", "operator", "central", "admin"]
Email = Annotated[str, typer.Argument(help="e-mail address of the person")]
Regions = Annotated[
    list[str] | None,
    typer.Option("--region", help="province that an operator is limited to; repeat it for each"),
]
Result = TypeVar("Result")


def in_store(work: Callable[[Database], Awaitable[Result]]) -> Result:
    """The result of the work on the store of accounts. Exits 5 when it is damaged, 4 when it is away."""

    async def run() -> Result:
        database = Database()
        try:
            await database.migrate()
            return await work(database)
        finally:
            await database.close()

    try:
        refuse_damaged_databases()
        return asyncio.run(run())
    except DamagedDatabaseError as error:
        fail(str(error), ExitCode.REFUSED)
    except StoreUnavailable as error:
        fail(f"the store of accounts does not answer: {error}", ExitCode.NOT_RUNNING)


def with_account(address: str, work: Callable[[Database], Awaitable[Result]]) -> Result:
    """`in_store` for one account. Exits 1 when it is unknown, exists already or is the last administrator."""
    try:
        return in_store(work)
    except accounts.UnknownAccount:
        fail(f"there is no account '{address}'", ExitCode.FAILED)
    except accounts.AccountExists:
        fail(f"there is an account '{address}' already", ExitCode.FAILED)
    except accounts.LastAdmin:
        fail(f"'{address}' is the last active administrator; appoint another one first", ExitCode.FAILED)


def known_email(email: str) -> str:
    """The address as it is stored. Exits 2 for what is no address."""
    address = normal_email(email)
    if address is None:
        fail(f"'{email}' is no e-mail address", ExitCode.USAGE)
    return address


def region_codes(names: list[str] | None) -> list[str]:
    """Codes of the provinces. Exits 2 for an unknown name."""
    for name in names or ():
        if matching_key(name) not in region_aliases():
            fail(f"there is no province with the name or code '{name}'", ExitCode.USAGE)
    return [region_aliases()[matching_key(name)] for name in names or ()]


def link_address(secret: str) -> str:
    """The address at which a browser signs in with a one-time link. What follows # is not sent to servers."""
    return f"{api_url()}/masuk#{secret}"


async def link_of(database: Database, email: str) -> str:
    """The address of a new one-time link of an account."""
    user = await accounts.by_email(database, email)
    return link_address(await accounts.one_time_link(database, user.user_id, COMMAND))


def show_link(link: str) -> None:
    """Print a one-time link."""
    console.print("this link signs in once and is not shown again:", markup=False)
    print(link)


def change(email: str, **changes: object) -> None:
    """Change the rights of an account. Exits 1 when it is unknown or the last administrator."""
    address = known_email(email)

    async def work(database: Database) -> str | None:
        user = await accounts.by_email(database, address)
        _, link = await accounts.change_rights(
            database, user.user_id, actor=COMMAND, granted_by=Role.ADMIN, **changes
        )
        return link

    link = with_account(address, work)
    if link is not None:
        console.print(
            "a stranger may have registered this address: its password, sign-ins and API keys have ended",
            markup=False,
        )
        show_link(link_address(link))


@app.command()
def create(
    email: Email,
    role: Annotated[PersonRole, typer.Option(help="what the person may do")] = "user",
    region: Regions = None,
    name: Annotated[str | None, typer.Option(help="full name")] = None,
) -> None:
    """Create an account, or replace one that registered itself, and print a link that sets its password."""
    address = known_email(email)
    regions = region_codes(region)

    async def work(database: Database) -> str:
        return await accounts.invite(
            database, address, actor=COMMAND, role=role_named(role), full_name=name, regions=regions
        )

    show_link(link_address(with_account(address, work)))


@app.command()
def role(
    email: Email,
    new_role: Annotated[PersonRole, typer.Argument(metavar="ROLE", help="what the person may do")],
    region: Regions = None,
) -> None:
    """Change the role of an account, and the regions of an operator."""
    change(email, role=new_role, regions=region_codes(region))
    console.print(f"'{known_email(email)}' has the role {new_role}", markup=False)


@app.command()
def disable(
    email: Email,
    undo: Annotated[bool, typer.Option("--undo", help="enable the account again")] = False,
) -> None:
    """Disable an account: its sign-ins and API keys end."""
    change(email, disabled=not undo)
    text = f"'{known_email(email)}' is enabled" if undo else f"'{known_email(email)}' is disabled"
    console.print(text, markup=False)


@app.command()
def reset(email: Email) -> None:
    """Print a one-time link to set another password; earlier sign-ins and API keys end with it."""
    address = known_email(email)
    show_link(with_account(address, lambda database: link_of(database, address)))


@app.command()
def token(
    token_role: Annotated[TokenRole, typer.Argument(metavar="ROLE", help="what the token may do")],
    minutes: Annotated[
        int, typer.Option(min=1, max=LONGEST_MINUTES, help="minutes for which it is valid")
    ] = 60,
) -> None:
    """Print a bearer for scripts, cron and checks on this machine; the API need not run."""
    print(local_token(role_named(token_role), minutes * 60))


def demo_link() -> str:
    """A one-time link of the administrator of a demo, whose account is created at the first time."""

    async def work(database: Database) -> str:
        try:
            return link_address(await accounts.invite(database, DEMO_ADMIN, actor=COMMAND, role=Role.ADMIN))
        except accounts.AccountExists:
            return await link_of(database, DEMO_ADMIN)

    return in_store(work)
