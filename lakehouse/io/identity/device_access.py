"""What a device gets: a token for HTTP, and where and as whom it connects to MQTT."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from conf.settings import secrets, settings
from lakehouse.identity.devices import market_of
from lakehouse.io.identity.devices import IssuedSecret, ProvidedDevice, provide_devices
from lakehouse.io.identity.tables import Device
from lakehouse.io.identity.tokens import TokenSigner

TOKEN_SECONDS = 86_400


def device_token(signer: TokenSigner, device: Device) -> str:
    """A token of the device for a day; it is void with the next secret, and when the device is revoked."""
    sid = str(device.secret_generation)
    return signer.sign(device.device_id, device.role, "device", TOKEN_SECONDS, sid)


def claim_answer(signer: TokenSigner, issued: IssuedSecret) -> dict[str, Any]:
    """The answer to a claim: the secret, shown this once, a token, and the address of MQTT."""
    knobs = settings().mqtt
    device = issued.device
    market = market_of(device.role, device.market_id) or "+"
    return {
        "device_id": device.device_id,
        "secret": issued.secret,
        "token": device_token(signer, device),
        "expires_in": TOKEN_SECONDS,
        "mqtt": {
            "host": knobs.public_host or knobs.host,
            "port": knobs.port,
            "tls": settings().mqtt_tls_cert is not None,
            "username": device.device_id,
            "topic_prefix": f"lumbung/v1/{market}/{device.device_id}",
        },
    }


def own_devices(market_of_device: Mapping[str, str], by: str) -> dict[str, str]:
    """Device id -> secret of devices that a program of this machine is itself; missing ones are made.

    The secrets follow from JWT_SECRET, so that two programs at once have the same ones: who can read that key
    can sign tokens of every device anyway. Raises DeviceExists for a revoked device, Refused without a key.
    """
    TokenSigner()  # refuses a key that is missing or weak: secrets that follow from it could be guessed
    key = secrets().jwt_secret.encode()
    derived = {
        device_id: base64.urlsafe_b64encode(
            hmac.digest(key, b"lumbung device\0" + device_id.encode(), hashlib.sha256)
        ).decode()
        for device_id in market_of_device
    }
    provide_devices(
        [
            ProvidedDevice(device_id, market_of_device[device_id], secret)
            for device_id, secret in derived.items()
        ],
        by,
    )
    return derived
