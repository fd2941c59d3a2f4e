"""The streaming device, as Adobe Pass wants it described in the ``X-Device-Info`` header."""

import base64
import binascii
import json
import sys
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any, Self, TypedDict, Unpack
from urllib.parse import unquote

from dcrauth._internal import confidential
from dcrauth._internal.arguments import check_text, wrong
from dcrauth._internal.confidential import discreet, discreet_constructor, unfailing
from dcrauth.errors import ConfigurationError
from dcrauth.providers.adobe.device_keys import ALIASES, BY_ADOBE_NAME, KEYS, Problem, insist, problems_of
from dcrauth.providers.adobe.this_machine import this_machine


class DeviceInfoWarning(UserWarning):
    """A device description that Adobe Pass may class as an unknown platform."""


class _Frozen(Mapping[str, Any]):
    """A mapping that stays as it is; unlike a mappingproxy, it can be copied and pickled."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Any:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return repr(self._values)


class DeviceFields(TypedDict, total=False):
    """What `DeviceInfo` takes, for type checkers."""

    primary_hardware_type: str | None
    model: str | None
    version: str | None
    manufacturer: str | None
    vendor: str | None
    os_name: str | None
    os_family: str | None
    os_vendor: str | None
    os_version: str | None
    browser_name: str | None
    browser_vendor: str | None
    browser_version: str | None
    user_agent: str | None
    display_width: float | None
    display_height: float | None
    display_ppi: float | None
    diagonal_screen_size: float | None
    connection_ip: str | None
    connection_port: str | int | None
    connection_type: str | None
    connection_secure: bool | None
    application_id: str | None
    extra: Mapping[str, Any]


@discreet_constructor
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
        extra: further keys, by Adobe's names.
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
    extra: Mapping[str, Any] = field(default_factory=dict, hash=False)  # its values may be unhashable

    def __post_init__(self) -> None:
        if not isinstance(self.extra, Mapping):
            raise wrong("extra", "a mapping of Adobe's names to values", self.extra)
        object.__setattr__(self, "extra", _Frozen(self.extra))
        for problem in self.problems():
            text = f"{problem}; Adobe Pass may class the device as unknown"
            warnings.warn(text, DeviceInfoWarning, stacklevel=_outside())

    @unfailing
    def __repr__(self) -> str:
        known = ((each.name, getattr(self, each.name)) for each in fields(self))
        return f"DeviceInfo({', '.join(f'{name}={value!r}' for name, value in known if value not in (None, {}))})"

    @classmethod
    def strict(cls, **values: Unpack[DeviceFields]) -> Self:
        """Return a device of *values*, all of which Adobe accepts (Adobe Pass documentation: X-Device-Info header).

        Parameters:
            values: what `DeviceInfo` takes.

        Raises:
            ConfigurationError: there is something that `DeviceInfo` would warn of.
        """
        # Asked first, because silencing warnings is not safe among threads.
        insist(tuple(problems_of(values)))
        return cls(**values)

    @classmethod
    def detect(cls, **values: Unpack[DeviceFields]) -> Self:
        """Return the desktop or server that runs this program (Adobe Pass documentation: X-Device-Info header).

        Not for servers that act for devices: those have to describe the device.

        Parameters:
            values: what `DeviceInfo` takes, in the place of what was found.
        """
        known: dict[str, Any] = {**this_machine(), **values}
        return cls(**known)

    @classmethod
    @discreet
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Return the device described under Adobe's names (Adobe Pass documentation: X-Device-Info header).

        Parameters:
            values: a JSON object; keys that are not known are kept in *extra*.

        Raises:
            ConfigurationError: it is no such object.
        """
        if not isinstance(values, Mapping):
            raise wrong("A device", "a JSON object under Adobe's names", values)
        aliases = {ALIASES[name].name: values[name] for name in ALIASES if name in values}
        known = {key.name: values[key.adobe] for key in KEYS if key.adobe in values}
        extra = {name: value for name, value in values.items() if name not in BY_ADOBE_NAME}
        return cls(**(aliases | known), extra=extra)

    @classmethod
    @discreet
    def from_header(cls, text: str) -> Self:
        """Return the device described by a header (Adobe Pass documentation: X-Device-Info header).

        Parameters:
            text: the value of the header, with or without padding or URL quoting.

        Raises:
            ConfigurationError: it is not Base64 of a JSON object.
        """
        check_text(text, "An X-Device-Info header")
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
        return {**self.extra, **{name: value for name, value in known.items() if value is not None}}

    @cached_property
    def header(self) -> str:
        """The value of the header: one line of padded Base64 of JSON.

        Raises:
            ConfigurationError: there is a value that JSON has no word for.
        """
        try:
            text = json.dumps(self.to_json(), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        except (TypeError, ValueError, RecursionError) as error:
            raise ConfigurationError(f"The device information cannot be written as JSON: {error}") from error
        return base64.b64encode(text.encode("utf-8", "replace")).decode()

    def problems(self) -> tuple[Problem, ...]:
        """Return what Adobe may object to, key by key."""
        return tuple(problems_of(vars(self)))

    def check(self) -> Self:
        """Return this device if Adobe accepts it (Adobe Pass documentation: X-Device-Info header).

        Raises:
            ConfigurationError: there are `problems`.
        """
        insist(self.problems())
        return self


def _outside() -> int:
    """The ``stacklevel`` of whoever called this module, through whichever constructor."""
    ours = (__name__, confidential.__name__)
    frame, level = sys._getframe(1), 1
    while frame.f_globals.get("__name__") in ours and frame.f_back:
        frame, level = frame.f_back, level + 1
    return level
