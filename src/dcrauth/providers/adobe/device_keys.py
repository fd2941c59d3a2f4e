"""What Adobe knows of a streaming device: every key of the ``X-Device-Info`` header stands once, in `KEYS`."""

import math
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from dcrauth.errors import ConfigurationError


class Key(NamedTuple):
    """One key of the header: our name, Adobe's name, whether it is required, its types, its values if restricted."""

    name: str
    adobe: str
    required: bool = False
    types: tuple[type, ...] = (str,)
    allowed: tuple[str | bool, ...] = ()


class Problem(NamedTuple):
    """One thing Adobe may object to: its name of the key, the value (None if missing), and what to do."""

    key: str
    value: Any
    reason: str

    def __str__(self) -> str:
        found = "missing" if self.value is None else f"{self.value!r:.60}"
        return f"{self.key} is {found}: {self.reason}"


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

ALIASES = {"type": KEYS[0]}
"""Other names of keys: Adobe's code samples for iOS and tvOS say "type"."""

BY_ADOBE_NAME = {key.adobe: key for key in KEYS} | ALIASES


def problems_of(values: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield what Adobe may object to in a device of *values*, under our names, with further ones in ``extra``."""
    for key in KEYS:
        value = values.get(key.name)
        reason = _objection(key, value)
        if reason:
            yield Problem(key.adobe, value, reason)
    for name, value in dict(values.get("extra", ())).items():
        if name in BY_ADOBE_NAME:
            yield Problem(name, value, f"give {BY_ADOBE_NAME[name].name} instead of extra")


def _objection(key: Key, value: Any) -> str | None:
    if value is None:
        return f"give {key.name}" if key.required else None
    if not isinstance(value, key.types) or (isinstance(value, bool) and bool not in key.types):
        return f"give {' or '.join(each.__name__ for each in key.types)}, not {type(value).__name__}"
    if isinstance(value, float) and not math.isfinite(value):
        return "give a finite number"
    if key.allowed and value not in key.allowed:
        return f"give one of {', '.join(map(str, key.allowed))}"
    return None


def insist(problems: tuple[Problem, ...]) -> None:
    """Raise ConfigurationError if there are *problems*."""
    if problems:
        text = "; ".join(map(str, problems))
        raise ConfigurationError(f"The device information is not what Adobe Pass asks for: {text}")
