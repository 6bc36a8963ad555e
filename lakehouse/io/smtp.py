"""Mails over SMTP, from one address. Mail boxes recognise a repeated mail by its Message-ID."""

from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib

FIRST_PERMANENT_CODE = 500  # RFC 5321, 4.2.1
PORTS = {"smtps": 465, "smtp": 587}


class NotSent(Exception):
    """A message was not sent; the text is the reason.

    `is_permanent`: it is refused, now and later; `gone`: its recipient too. `retry_after`: seconds that the
    channel asks for.
    """

    def __init__(
        self, reason: str, is_permanent: bool = False, gone: bool = False, retry_after: float = 0.0
    ) -> None:
        super().__init__(reason)
        self.is_permanent = is_permanent
        self.gone = gone
        self.retry_after = retry_after


class MailServer:
    """The server of an URL smtps://user:password@host:465 or smtp://…

    Raises ValueError for another URL, and without the address of a sender.
    """

    def __init__(self, url: str, sender: str, timeout_seconds: float) -> None:
        parts = urlsplit(url)
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError("SMTP_URL must be smtps://user:password@host:465 or smtp://…")
        user = unquote(parts.username or "")
        self._server: dict[str, Any] = {
            "hostname": parts.hostname,
            "port": parts.port or PORTS[parts.scheme],
            "use_tls": parts.scheme == "smtps",
            "username": user or None,
            "password": unquote(parts.password or "") or None,
            "timeout": timeout_seconds,
        }
        self._sender = sender or user
        if "@" not in self._sender:
            raise ValueError("MAIL_FROM must be an address, because the user of SMTP_URL is none")

    async def send(self, address: str, subject: str, body: str, key: str) -> str:
        """The Message-ID, which follows from `key`. Raises NotSent."""
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = address
        message["Subject"] = " ".join(subject.split())
        message["Message-ID"] = f"<{key}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(body)
        try:
            await aiosmtplib.send(message, **self._server)
        except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused) as error:
            codes = [refused.code for refused in getattr(error, "recipients", [])] or [
                getattr(error, "code", 0)
            ]
            raise NotSent(
                f"the mail server answered {codes[0]}", min(codes) >= FIRST_PERMANENT_CODE
            ) from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise NotSent(type(error).__name__) from None
        return str(message["Message-ID"])
