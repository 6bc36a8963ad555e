"""One-time links by mail to people who register, while `identity.verify_email` is true.

Who opens the mail sets the password, so nobody can choose one for the address of somebody else. All of it
happens after the answer, which is the same for a known and an unknown address, in the same time.
"""

import asyncio
import logging
import uuid

from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential

from conf.settings import secrets, settings
from lakehouse.io.identity import accounts
from lakehouse.io.identity.database import Database, StoreUnavailable
from lakehouse.io.identity.tables import User
from lakehouse.io.smtp import MailServer, NotSent
from lakehouse.translation import Language
from serving_api.http.messages import message, text_in

log = logging.getLogger("lumbung.api")
SIGN_IN = "/masuk"  # the page that one-time links lead to, with their secret after a #
ATTEMPTS = 5
MOST_UNDER_WAY = 100


class TooManyMails(Exception):
    """MOST_UNDER_WAY registrations are under way."""


def mail_server() -> MailServer | None:
    """The server of SMTP_URL, None without one. Raises ValueError for an URL that cannot be used."""
    url = secrets().smtp_url
    return MailServer(url, settings().mail_from, settings().alerts.send_seconds) if url else None


def may_pass(failure: BaseException) -> bool:
    """Whether the mail may be sent later."""
    return isinstance(failure, NotSent) and not failure.is_permanent


class Verification:
    """Registrations whose mail is under way; one per process."""

    def __init__(self, database: Database, mail: MailServer | None) -> None:
        self._database = database
        self._mail = mail
        self._page = f"{settings().public_url}{SIGN_IN}"
        self._under_way: set[asyncio.Task[None]] = set()

    def link_address(self, secret: str) -> str:
        """The address at which a browser follows a one-time link. What follows # is not sent to servers."""
        return f"{self._page}#{secret}"

    async def register(self, email: str, full_name: str | None, locale: str) -> None:
        """Create the account without a password and mail its link. Raises StoreUnavailable, TooManyMails."""
        if not await self._database.reachable():
            raise StoreUnavailable
        if len(self._under_way) >= MOST_UNDER_WAY:
            raise TooManyMails
        task = asyncio.create_task(self._register(email, full_name, locale))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """End what is under way; these people can register again."""
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(*self._under_way, return_exceptions=True)

    async def _register(self, email: str, full_name: str | None, locale: str) -> None:
        try:
            user = await accounts.without_password(self._database, email, full_name, locale)
            if user is not None:
                await self._invite(user)
        except StoreUnavailable:
            log.exception("a registration failed")

    async def _invite(self, user: User) -> None:
        if self._mail is None:
            log.warning(
                "no SMTP_URL, so no mail was sent to account %s: ./run.sh user reset prints its link",
                user.user_id,
            )
            return
        secret = await accounts.one_time_link(self._database, user.user_id, user.user_id)
        link = self.link_address(secret)
        try:
            await self._send(self._mail, user, link)
        except asyncio.CancelledError:
            await accounts.withdraw_links(self._database, user.user_id)
            raise
        except NotSent as failure:
            log.warning("no mail to account %s: %s", user.user_id, failure)
            await accounts.withdraw_links(self._database, user.user_id)

    async def _send(self, mail: MailServer, user: User, link: str) -> None:
        """Send the link, again after a failure that may pass. Raises NotSent."""
        language: Language = "id" if user.locale == "id" else "en"
        subject = text_in(message("mail_subject"), language)
        body = text_in(message("mail_body", link=link, minutes=settings().identity.link_minutes), language)
        key = uuid.uuid4().hex
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(ATTEMPTS),
            wait=wait_exponential(max=60),
            retry=retry_if_exception(may_pass),
            reraise=True,
        ):
            with attempt:
                await mail.send(user.email, subject, body, key)
