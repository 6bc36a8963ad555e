"""E-mail over SMTP. A repeated message has the same Message-ID, by which mail boxes recognise it."""

from email.message import EmailMessage
from typing import Any
from urllib.parse import unquote, urlsplit

import aiosmtplib

from lakehouse.io.alert_deliveries import Delivery
from producers.channels.channel import PermanentFailure, Recipient, TemporaryFailure

FIRST_PERMANENT_CODE = 500  # RFC 5321, 4.2.1
PORTS = {"smtps": 465, "smtp": 587}


class Mail:
    """Messages from one address, by the server of an URL smtps://user:password@host:465 or smtp://…"""

    name = "email"

    def __init__(self, url: str, sender: str, addresses: list[str], timeout_seconds: float) -> None:
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
        self.recipients = [Recipient(address) for address in addresses]

    async def send(self, recipient: Recipient, delivery: Delivery) -> str:
        """The Message-ID, which follows from the delivery."""
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = recipient.address
        message["Subject"] = " ".join(delivery.subject.split())
        message["Message-ID"] = f"<{delivery.delivery_id}@{self._sender.rpartition('@')[2]}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(delivery.body)
        try:
            await aiosmtplib.send(message, **self._server)
        except (aiosmtplib.SMTPResponseException, aiosmtplib.SMTPRecipientsRefused) as error:
            codes = [refused.code for refused in getattr(error, "recipients", [])] or [
                getattr(error, "code", 0)
            ]
            if min(codes) >= FIRST_PERMANENT_CODE:
                raise PermanentFailure(f"the mail server refused it ({codes[0]})") from None
            raise TemporaryFailure(f"the mail server answered {codes[0]}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise TemporaryFailure(type(error).__name__) from None
        return str(message["Message-ID"])
