"""Schemas of devices."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field, StringConstraints

from lakehouse.identity.devices import DEVICE_ID, DeviceStatus
from lakehouse.identity.roles import DeviceRole
from serving_api.schemas.envelope import Meta, Name, PageQuery, RequestBody, Share

DeviceId = Annotated[
    str, StringConstraints(pattern=rf"^{DEVICE_ID}$"), Field(description="3 to 64 of A-Z, 0-9 and -")
]
Given = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class DeviceRegistration(RequestBody):
    """A device that wants to send events. Its role says for which markets: operator for its own alone."""

    market_id: Name
    device_id: DeviceId
    role: DeviceRole = "operator"


class IssuedDeviceClaim(BaseModel):
    """A claim by which the device gets its secret, once, within ten minutes."""

    qr_data_url: str = Field(description="PNG of a QR code that holds the claim code")
    qr_svg_data_url: str = Field(description="The same QR code as an SVG")
    claim_code: str
    claim_expires_at: datetime


class RegisteredDevice(IssuedDeviceClaim):
    """A registered device; its token and its claim are valid once it is approved."""

    device_id: str
    market_id: str
    role: DeviceRole
    status: DeviceStatus
    token: str | None = Field(description="null until the device is approved")
    token_type: Literal["bearer"]
    expires_in: int


class ClaimBody(RequestBody):
    """The code that the device read from the QR code."""

    device_id: Given
    claim_code: Given


class MqttAccess(BaseModel):
    """Where and as whom the device connects to MQTT; the password is the secret."""

    host: str
    port: int = Field(ge=1, le=65535)
    tls: bool
    username: str
    topic_prefix: str = Field(description="a + stands for the market of each event")


class ClaimedDevice(BaseModel):
    """The secret of a device: it is shown this once."""

    device_id: str
    secret: str
    token: str
    expires_in: int
    mqtt: MqttAccess


class DeviceTokenBody(RequestBody):
    """A device and its secret."""

    device_id: Given
    secret: Given


class DeviceToken(BaseModel):
    """A bearer of the device for a day."""

    token: str
    token_type: Literal["bearer"]
    expires_in: int
    role: DeviceRole


class DevicesQuery(PageQuery):
    """Parameters of the list of devices."""

    market_id: Name | None = Field(None, description="devices of this market")
    status: DeviceStatus | None = Field(None, description="devices in this state")
    silent: bool | None = Field(None, description="only silent devices, or only others")


class DeviceRow(BaseModel):
    """A device and what it sent."""

    device_id: str
    market_id: str
    role: DeviceRole
    status: DeviceStatus
    last_event_time: datetime | None
    silent: bool = Field(
        description="silent for longer than three of its own cadences; without a cadence for three days"
    )
    accepted_24h: int = Field(ge=0, description="events accepted in the last 24 hours, by hours")
    quarantined_24h: int = Field(ge=0, description="events quarantined in the last 24 hours, by hours")
    trust_score: Share | None = Field(
        description="(1 + accepted) / (2 + accepted + quarantined) in 90 days; null without an event"
    )
    registered_at: datetime
    registered_from: str | None = Field(
        description="network address of the registration; null for devices of programs of this machine"
    )
    revoked_at: datetime | None = Field(description="its MQTT connections ended within 2 s of it")


class DeviceItem(DeviceRow):
    """A device with provenance."""

    meta: Meta


class StepBody(RequestBody):
    """Why a device is approved, rotated or revoked, for the audit."""

    reason: Annotated[str, StringConstraints(max_length=200)] | None = None


class ApprovalBody(StepBody):
    """Why a device is approved, and the code that identifies it."""

    claim_code: Given | None = None


class RotatedDevice(DeviceItem, IssuedDeviceClaim):
    """A device and the claim for its next secret; the present one is valid until then."""
