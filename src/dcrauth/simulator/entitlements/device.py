"""The headers that tell of a device and of its partner (Adobe Pass documentation: appendix on headers)."""

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.enhanced import Refusal
from dcrauth.simulator.messages import Call

IDENTIFIER = "AP-Device-Identifier"
INFO = "X-Device-Info"
HARDWARE = (
    "Camera", "DataCollectionTerminal", "Desktop", "EmbeddedNetworkModule", "eReader", "GamesConsole",
    "GeolocationTracker", "Glasses", "MediaPlayer", "MobilePhone", "PaymentTerminal", "PluginModem", "SetTopBox",
    "TV", "Tablet", "WirelessHotspot", "Wristwatch", "VehicleMultimediaSystem", "Projector", "Unknown",
)  # fmt: skip

_BASE64 = re.compile(r"[A-Za-z0-9+/_-]+={0,2}")


@dataclass(frozen=True)
class Device:
    """A streaming device.

    Parameters:
        identifier: what tells it apart; empty if it did not say.
        info: what it says of itself.
        address: where it calls from.
        user_agent: its ``User-Agent``.
    """

    identifier: str
    info: Mapping[str, Any] = field(default_factory=dict)
    address: str = ""
    user_agent: str = ""

    def described(self) -> dict[str, Any]:
        """Return what an authentication session tells of the device."""
        hardware = self.info.get("primaryHardwareType")
        return {
            "type": hardware if hardware in HARDWARE else "Unknown",
            "model": self._text("model"),
            "version": _version(self._text("version")),
            "hardware": {"vendor": self._text("vendor"), "manufacturer": self._text("manufacturer")},
            "operatingSystem": {
                "name": self._text("osName"),
                "family": self._text("osFamily"),
                "vendor": self._text("osVendor"),
                "version": _version(self._text("osVersion")),
            },
            "browser": {"originalUserAgent": self.user_agent, "userAgent": self.user_agent},
            "connection": {
                "ipAddress": {"hostAddress": self._text("connectionIp") or self.address},
                "port": self._text("connectionPort"),
                "secure": self.info.get("connectionSecure") is True,
                "type": self._text("connectionType"),
            },
            "applicationId": self._text("applicationId"),
        }

    def _text(self, name: str) -> str:
        return str(self.info.get(name) or "")


def device_of(call: Call, required: bool, behaviour: Behaviour) -> Device:
    """Return the device that *call* comes from.

    Raises:
        Refusal: a header that is *required* is missing, or one that is there is not as it should be.
    """
    identifier = call.headers.get(IDENTIFIER.lower(), "")
    info = call.headers.get(INFO.lower(), "")
    if behaviour.strict and (identifier or required):
        _check_identifier(identifier)
    read = json_of(info)
    if behaviour.strict and (info or required):
        check_info(info, behaviour)
    address = call.headers.get("x-forwarded-for", call.address).partition(",")[0].strip()
    return Device(identifier, read or {}, address, call.headers.get("user-agent", ""))


@lru_cache(maxsize=1024)
def json_of(header: str) -> Mapping[str, Any] | None:
    """Return the JSON object that a header holds in Base64, padded or not; None if it does not."""
    decoded = decoded_base64(header)
    try:
        found = json.loads(decoded or b"")
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None


def decoded_base64(text: str) -> bytes | None:
    """Return what *text* says in Base64, padded or not; None if it is none."""
    if not _BASE64.fullmatch(text) or len(text.rstrip("=")) % 4 == 1:
        return None
    plain = text.rstrip("=").translate(str.maketrans("-_", "+/"))
    return base64.b64decode(plain + "=" * (-len(plain) % 4))


def _check_identifier(header: str) -> None:
    scheme, _, value = header.partition(" ")
    if not header:
        raise Refusal("invalid_header_device_identifier", f"There is no {IDENTIFIER} header")
    if scheme != "fingerprint" or decoded_base64(value.strip()) is None:
        raise Refusal(
            "invalid_header_device_identifier",
            f'{IDENTIFIER} must be "fingerprint", a space, and an identifier in Base64',
        )


def check_info(header: str, behaviour: Behaviour) -> None:
    """Raise `Refusal` unless *header*, which must be there, says of a device what the *behaviour* asks for."""
    if not header:
        raise Refusal("invalid_header_device_info", f"There is no {INFO} header")
    read = json_of(header)
    if read is None:
        raise Refusal("invalid_header_device_info", f"{INFO} must be Base64 of a JSON object")
    for key in behaviour.device_info_keys:
        if not read.get(key):
            raise Refusal("invalid_header_device_info", f"{INFO} has no {key!r}")


def _version(text: str) -> dict[str, Any]:
    numbers = [int(each) for each in re.findall(r"\d{1,9}", text)[:3]] + [0, 0, 0]
    return {"major": numbers[0], "minor": numbers[1], "patch": numbers[2], "profile": ""}
