"""Which channels alerts are sent over, from knobs and secrets."""

from typing import Literal

from conf.settings import secrets, settings

Mode = Literal["on", "mock", "off"]


def personal_channels() -> frozenset[str]:
    """Ways in which single people can be reached: those with a server or a token."""
    known = secrets()
    usable = {
        "email": known.smtp_url,
        "telegram": known.telegram_token,
        "whatsapp": known.whatsapp_token and settings().alerts.whatsapp_sender,
    }
    return frozenset(name for name, value in usable.items() if value)


def channel_modes() -> dict[str, Mode]:
    """Channel -> on, mock (no token: the message is only logged) or off (no server or no recipient)."""
    known = secrets()
    knobs = settings().alerts
    return {
        "telegram": "on" if known.telegram_token and knobs.telegram_chats else "mock",
        "whatsapp": "on" if known.whatsapp_token and knobs.whatsapp_recipients else "mock",
        "email": "on" if known.smtp_url and knobs.mail_to else "off",
        "webhook": "on" if knobs.webhooks else "off",
    }
