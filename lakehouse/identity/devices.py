"""What a device may be and send: the form of its id, its states, and the markets and kinds of its role."""

import re
from typing import Literal

DEVICE_ID = r"[A-Z0-9-]{3,64}"
DeviceStatus = Literal["pending", "approved", "active", "revoked"]
MARKET_ROLE = "operator"  # a device with this role sends for its own market, with a higher role for every one


def market_of(role: str, market_id: str) -> str | None:
    """The only market that a device with this role may send for; None: every market."""
    return market_id if role == MARKET_ROLE else None


def is_device_id(text: str) -> bool:
    """Whether the text has the form of a device's id."""
    return re.fullmatch(DEVICE_ID, text) is not None
