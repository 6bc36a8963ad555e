"""E-mail as a channel: of alerts to everybody who is configured, and of messages to one person."""

from lakehouse.io.alert_deliveries import Delivery
from lakehouse.io.smtp import MailNotSent, MailServer
from producers.channels.channel import PERSONAL, PermanentFailure, Recipient, TemporaryFailure


class Mail:
    """Messages from one address, by the server of an URL smtps://user:password@host:465 or smtp://…"""

    name = "email"

    def __init__(self, url: str, sender: str, addresses: list[str], timeout_seconds: float) -> None:
        self._server = MailServer(url, sender, timeout_seconds)
        self.recipients = [Recipient(address) for address in addresses]

    async def send(self, recipient: Recipient, delivery: Delivery) -> str:
        """The Message-ID, which follows from the delivery."""
        try:
            return await self._server.send(
                recipient.address, delivery.subject, delivery.body, delivery.delivery_id
            )
        except MailNotSent as failure:
            kind = PermanentFailure if failure.is_permanent else TemporaryFailure
            raise kind(str(failure)) from None


class PersonalMail(Mail):
    """Messages to people who want mails; who they are is read from their accounts."""

    name = PERSONAL["email"]
