"""The streaming device, as Adobe Pass wants it described in the ``X-Device-Info`` header.

Every key of the header stands once, in `KEYS`; all else follows from that table.
"""

import base64
import binascii
import json
import platform
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import unquote

from dcrauth.errors import ConfigurationError


class DeviceInfoWarning(UserWarning):
    """A device description that Adobe Pass may class as an unknown platform."""


class Key(NamedTuple):
    """One key of the header: our name, Adobe's name, whether it is required, its types, its values if restricted."""

    name: str
    adobe: str
    required: bool = False
    types: tuple[type, ...] = (str,)
    allowed: tuple[str | bool, ...] = ()


_HARDWARE = (
    "Camera", "DataCollectionTerminal", "Desktop", "EmbeddedNetworkModule", "eReader", "GamesConsole",
    "GeolocationTracker", "Glasses", "MediaPlayer", "MobilePhone", "PaymentTerminal", "PluginModem", "SetTopBox", "TV",
    "Tablet", "WirelessHotspot", "Wristwatch", "Unknown",
    # In Adobe's OpenAPI file only.
    "VehicleMultimediaSystem", "Projector",
)  # fmt: skip
_OS = (
    "Android", "Chrome OS", "Linux", "Mac OS", "OS X", "OpenBSD", "Roku OS", "Windows", "iOS", "tvOS", "webOS",
)  # fmt: skip
_FAMILIES = (
    "Android", "BSD", "Linux", "PlayStation OS", "Roku OS", "Symbian", "Tizen", "Windows", "iOS", "tvOS", "macOS",
    "webOS",
)  # fmt: skip
_OS_VENDORS = (
    "Amazon", "Apple", "Google", "LG", "Microsoft", "Mozilla", "Nintendo", "Nokia", "Roku", "Samsung", "Sony",
    "Tizen Project",
)  # fmt: skip
_BROWSERS = (
    "Android Browser", "Chrome", "Edge", "Firefox", "Internet Explorer", "Opera", "Safari", "SeaMonkey",
    "Symbian Browser",
)  # fmt: skip
_BROWSER_VENDORS = (
    "Amazon", "Apple", "Google", "Microsoft", "Motorola", "Mozilla", "Netscape", "Nintendo", "Nokia", "Samsung",
    "Sony Ericsson",
)  # fmt: skip
_NUMBER = (int, float)

KEYS = (
    Key("primary_hardware_type", "primaryHardwareType", allowed=_HARDWARE),
    Key("model", "model", required=True),
    Key("version", "version", required=True),
    Key("manufacturer", "manufacturer"),
    Key("vendor", "vendor"),
    Key("os_name", "osName", required=True, allowed=_OS),
    Key("os_family", "osFamily", allowed=_FAMILIES),
    Key("os_vendor", "osVendor", allowed=_OS_VENDORS),
    Key("os_version", "osVersion", required=True),
    Key("browser_name", "browserName", allowed=_BROWSERS),
    Key("browser_vendor", "browserVendor", allowed=_BROWSER_VENDORS),
    Key("browser_version", "browserVersion"),
    Key("user_agent", "userAgent"),
    Key("display_width", "displayWidth", types=_NUMBER),
    Key("display_height", "displayHeight", types=_NUMBER),
    Key("display_ppi", "displayPpi", types=_NUMBER),
    Key("diagonal_screen_size", "diagonalScreenSize", types=_NUMBER),
    Key("connection_ip", "connectionIp"),
    Key("connection_port", "connectionPort", types=(str, int)),
    Key("connection_type", "connectionType", required=True),
    Key("connection_secure", "connectionSecure", types=(bool,), allowed=(True, False)),
    Key("application_id", "applicationId"),
)
"""All keys (Adobe Pass documentation: X-Device-Info header)."""

_BY_ADOBE_NAME = {key.adobe: key for key in KEYS} | {"type": KEYS[0]}


@dataclass(frozen=True, kw_only=True, repr=False)
class DeviceInfo:
    """A streaming device; what is not known is left out (Adobe Pass documentation: X-Device-Info header).

    Values that Adobe does not list, and missing keys that it requires, cause a `DeviceInfoWarning`, because Adobe may
    then class the device as unknown; `strict` makes them an error.

    Parameters:
        primary_hardware_type: the kind of device, such as "SetTopBox".
        model, version, manufacturer, vendor: the device.
        os_name, os_family, os_vendor, os_version: its operating system.
        browser_name, browser_vendor, browser_version, user_agent: the browser, if there is one.
        display_width, display_height, display_ppi, diagonal_screen_size: the screen (pixels, pixels/inch, inches).
        connection_ip, connection_port, connection_type, connection_secure: how the device is connected.
        application_id: the application.
        extra: further keys by Adobe's names, as pairs.
    """

    primary_hardware_type: str | None = None
    model: str | None = None
    version: str | None = None
    manufacturer: str | None = None
    vendor: str | None = None
    os_name: str | None = None
    os_family: str | None = None
    os_vendor: str | None = None
    os_version: str | None = None
    browser_name: str | None = None
    browser_vendor: str | None = None
    browser_version: str | None = None
    user_agent: str | None = None
    display_width: float | None = None
    display_height: float | None = None
    display_ppi: float | None = None
    diagonal_screen_size: float | None = None
    connection_ip: str | None = None
    connection_port: str | int | None = None
    connection_type: str | None = None
    connection_secure: bool | None = None
    application_id: str | None = None
    extra: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        for problem in self.problems():
            warnings.warn(f"{problem}; Adobe Pass may class the device as unknown", DeviceInfoWarning, stacklevel=3)

    def __repr__(self) -> str:
        known = ((field.name, getattr(self, field.name)) for field in fields(self))
        return f"DeviceInfo({', '.join(f'{name}={value!r}' for name, value in known if value not in (None, ()))})"

    @classmethod
    def strict(cls, **values: Any) -> Self:
        """Return a device of *values*; raise `ConfigurationError` for what would only be warned of otherwise."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeviceInfoWarning)
            return cls(**values).check()

    @classmethod
    def detect(cls, **values: Any) -> Self:
        """Return the desktop or server that runs this program, with *values* in the place of what was found.

        Not for servers that act for devices: those have to describe the device.
        """
        found: dict[str, Any] = {
            "primary_hardware_type": "Desktop",
            "model": _first_line("/sys/devices/virtual/dmi/id/product_name") or platform.machine() or "unknown",
            "version": _first_line("/sys/devices/virtual/dmi/id/product_version") or "1",
            "os_version": platform.release() or "unknown",
            "connection_type": "LAN",
            **_operating_system(platform.system()),
        }
        return cls(**(found | values))

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the device described by *values* under Adobe's names; unknown ones are kept in *extra*."""
        known = {_BY_ADOBE_NAME[name].name: value for name, value in values.items() if name in _BY_ADOBE_NAME}
        extra = tuple((name, value) for name, value in values.items() if name not in _BY_ADOBE_NAME)
        return cls(**known, extra=extra)

    @classmethod
    def from_header(cls, text: str) -> Self:
        """Return the device described by the value of a header, with or without padding or URL quoting.

        Raises:
            ConfigurationError: it is not Base64 of a JSON object.
        """
        data = "".join(unquote(text).split()).rstrip("=")
        try:
            values = json.loads(base64.b64decode(data + "=" * (-len(data) % 4), validate=True))
        except (binascii.Error, ValueError, RecursionError):
            values = None
        if not isinstance(values, dict):
            raise ConfigurationError("This is not an X-Device-Info header: it must be Base64 of a JSON object")
        return cls.from_json(values)

    def to_json(self) -> dict[str, Any]:
        """Return what is known under Adobe's names."""
        known = {key.adobe: getattr(self, key.name) for key in KEYS}
        return {name: value for name, value in known.items() if value is not None} | dict(self.extra)

    @property
    def header(self) -> str:
        """The value of the header: one line of padded Base64 of JSON."""
        text = json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"))
        return base64.b64encode(text.encode("utf-8", "replace")).decode()

    def problems(self) -> Iterator[str]:
        """Yield what Adobe may object to, key by key."""
        for key in KEYS:
            yield from _problems(key, getattr(self, key.name))

    def check(self) -> Self:
        """Return this device; raise `ConfigurationError` if Adobe may object to anything."""
        found = list(self.problems())
        if found:
            raise ConfigurationError("The device information is not what Adobe Pass asks for: " + "; ".join(found))
        return self


def _problems(key: Key, value: Any) -> Iterator[str]:
    if value is None:
        if key.required:
            yield f"{key.adobe} is missing: give {key.name}"
    elif not isinstance(value, key.types) or (isinstance(value, bool) and bool not in key.types):
        yield f"{key.adobe} is {type(value).__name__}: give {' or '.join(each.__name__ for each in key.types)}"
    elif key.allowed and value not in key.allowed:
        yield f"{key.adobe} is {value!r}: give one of {', '.join(map(str, key.allowed))}"


def _operating_system(system: str) -> dict[str, str]:
    known = {
        "Darwin": {"os_name": "Mac OS", "os_family": "macOS", "os_vendor": "Apple"},
        "Windows": {"os_name": "Windows", "os_family": "Windows", "os_vendor": "Microsoft"},
        "OpenBSD": {"os_name": "OpenBSD", "os_family": "BSD"},
    }
    return known.get(system, {"os_name": "Linux", "os_family": "Linux"})


def _first_line(path: str) -> str | None:
    """The text of a small system file, where there is one that may be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip().partition("\n")[0] or None
    except OSError:
        return None
