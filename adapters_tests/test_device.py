"""DeviceInfo: its header, its warnings, and the machine it finds itself on."""

from __future__ import annotations

import base64
import json
import platform
import warnings
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcrauth import ConfigurationError, DeviceInfo, DeviceInfoWarning
from dcrauth.device import KEYS

GOOD: dict[str, Any] = {"model": "m", "version": "1", "os_name": "Linux", "os_version": "6", "connection_type": "LAN"}


def decoded(device: DeviceInfo) -> Any:
    return json.loads(base64.b64decode(device.header, validate=True))


def test_the_header_is_one_line_of_padded_base64_of_json() -> None:
    """The header holds what is known under Adobe's names, whatever its length or letters."""
    device = DeviceInfo(**GOOD, manufacturer="Löwe " * 100, display_width=1920, connection_secure=False)
    assert "\n" not in device.header
    assert len(device.header) % 4 == 0
    assert decoded(device) == {
        "model": "m",
        "version": "1",
        "osName": "Linux",
        "osVersion": "6",
        "connectionType": "LAN",
        "manufacturer": "Löwe " * 100,
        "displayWidth": 1920,
        "connectionSecure": False,
    }


def test_there_are_twenty_two_keys() -> None:
    """All of Adobe's keys are there once, five of them required and seven of them restricted."""
    assert len({key.adobe for key in KEYS}) == len({key.name for key in KEYS}) == 22
    assert {key.adobe for key in KEYS if key.required} == {"model", "version", "osName", "osVersion", "connectionType"}
    assert {key.adobe for key in KEYS if key.allowed} == {
        "primaryHardwareType", "osName", "osFamily", "osVendor", "browserName", "browserVendor", "connectionSecure",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"os_name": "macOS"}, "osName is 'macOS': give one of Android, Chrome OS"),
        ({"model": None}, "model is missing: give model"),
        ({"primary_hardware_type": "Toaster"}, "primaryHardwareType"),
        ({"connection_secure": "yes"}, "connectionSecure is str: give bool"),
        ({"display_width": "1920"}, "displayWidth is str: give int or float"),
        ({"display_width": True}, "displayWidth is bool"),
        ({"model": ["m"]}, "model is list: give str"),
    ],
)
def test_doubtful_values_warn_or_raise(values: dict[str, Any], message: str) -> None:
    """What Adobe may object to is a warning that names key, value and remedy; strictly, it is an error."""
    with pytest.warns(DeviceInfoWarning) as caught:
        device = DeviceInfo(**(GOOD | values))
    assert len(caught) == 1
    assert str(caught[0].message).startswith(message)
    assert caught[0].filename == __file__
    with pytest.raises(ConfigurationError, match=message.replace("[", r"\[")):
        DeviceInfo.strict(**(GOOD | values))
    with pytest.raises(ConfigurationError):
        device.check()


def test_a_good_device_passes_in_silence() -> None:
    """A complete description neither warns nor raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert DeviceInfo.strict(**GOOD) == DeviceInfo(**GOOD)
    assert hash(DeviceInfo(**GOOD)) == hash(DeviceInfo(**GOOD))


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows", "OpenBSD", "Haiku", ""])
def test_any_machine_describes_itself(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """detect() finds a description that Adobe accepts, on every platform and where nothing can be found out."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "release", lambda: "")
    monkeypatch.setattr(platform, "machine", lambda: "")
    monkeypatch.setattr("pathlib.Path.read_text", _unreadable)
    device = DeviceInfo.detect()
    assert device.check().primary_hardware_type == "Desktop"


def _unreadable(*args: Any, **kwargs: Any) -> str:
    raise PermissionError


def test_detected_values_can_be_overridden() -> None:
    """What the caller knows better takes the place of what was found."""
    assert DeviceInfo.detect(model="mine", application_id="app").model == "mine"


@pytest.mark.parametrize(
    "change", [str, lambda text: text.rstrip("="), lambda text: text.replace("=", "%3D"), lambda text: f" {text}\n"]
)
def test_headers_are_read_tolerantly(change: Any) -> None:
    """A header is read with and without padding, quoted or folded; unknown keys are kept, the old alias is known."""
    text = base64.b64encode(json.dumps({"model": "m", "type": "TV", "new": 1}).encode()).decode()
    with pytest.warns(DeviceInfoWarning):
        device = DeviceInfo.from_header(change(text))
    assert (device.model, device.primary_hardware_type, device.extra) == ("m", "TV", (("new", 1),))
    assert decoded(device)["new"] == 1


@pytest.mark.parametrize("text", ["", "!", "é", "W10=", base64.b64encode(b"{").decode(), "a"])
def test_garbage_is_no_header(text: str) -> None:
    """What is not Base64 of a JSON object is an error that says so."""
    with pytest.raises(ConfigurationError, match="X-Device-Info"):
        DeviceInfo.from_header(text)


def _values() -> Iterator[tuple[str, st.SearchStrategy[Any]]]:
    text = st.text(st.characters(exclude_categories=["Cs"]))
    for key in KEYS:
        plain = text if str in key.types else st.booleans() if bool in key.types else st.integers()
        yield key.name, (st.sampled_from(key.allowed) if key.allowed else plain)


@given(st.fixed_dictionaries({}, optional=dict(_values())))
def test_a_header_leads_back_to_its_device(values: dict[str, Any]) -> None:
    """Encoding and decoding a device gives the same device, for every key."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceInfoWarning)
        device = DeviceInfo(**(GOOD | values))
        assert DeviceInfo.from_header(device.header) == device


def test_the_repr_is_short() -> None:
    """Only what is known is shown."""
    assert repr(DeviceInfo(**GOOD)) == (
        "DeviceInfo(model='m', version='1', os_name='Linux', os_version='6', connection_type='LAN')"
    )
