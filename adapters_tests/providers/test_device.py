"""DeviceInfo: its header, its warnings, and the machine it finds itself on."""

from __future__ import annotations

import base64
import copy
import dataclasses
import json
import pickle
import platform
import re
import sys
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcrauth import ConfigurationError, DeviceInfo, DeviceInfoWarning
from dcrauth.providers.adobe.device_keys import KEYS, Problem

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


def test_the_json_of_the_header_is_compact_utf8() -> None:
    """No byte is spent on blanks or escapes, as headers have limits."""
    text = base64.b64decode(DeviceInfo(**(GOOD | {"model": "Löwe"})).header).decode()
    assert text.startswith('{"model":"Löwe","version":"1",')


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
        ({"primary_hardware_type": "Toaster"}, "primaryHardwareType is 'Toaster'"),
        ({"connection_secure": "yes"}, "connectionSecure is 'yes': give bool, not str"),
        ({"connection_secure": 1}, "connectionSecure is 1: give bool, not int"),
        ({"display_width": "1920"}, "displayWidth is '1920': give int or float, not str"),
        ({"display_width": True}, "displayWidth is True: give int or float, not bool"),
        ({"display_ppi": float("nan")}, "displayPpi is nan: give a finite number"),
        ({"model": ["m"]}, "model is ['m']: give str, not list"),
        ({"os_name": ["Linux"]}, "osName is ['Linux']: give str, not list"),
        ({"extra": {"osFamily": "Linux"}}, "osFamily is 'Linux': give os_family instead of extra"),
    ],
)
def test_doubtful_values_warn_or_raise(values: dict[str, Any], message: str) -> None:
    """What Adobe may object to is a warning that names key, value and remedy; strictly, it is an error."""
    with pytest.warns(DeviceInfoWarning) as caught:
        device = DeviceInfo(**(GOOD | values))
    assert len(caught) == 1
    assert str(caught[0].message).startswith(message)
    assert caught[0].filename == __file__
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        DeviceInfo.strict(**(GOOD | values))
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        device.check()


def test_problems_are_values() -> None:
    """A program can ask which keys are doubtful, without parsing texts."""
    with pytest.warns(DeviceInfoWarning):
        problems = DeviceInfo(**(GOOD | {"model": None, "os_vendor": "Acme"})).problems()
    assert [(problem.key, problem.value) for problem in problems] == [("model", None), ("osVendor", "Acme")]
    assert isinstance(problems, tuple)
    assert isinstance(problems[0], Problem)
    assert "Tizen Project" in problems[1].reason


@pytest.mark.parametrize(
    "make",
    [
        lambda: DeviceInfo.from_json({"model": "m"}),
        lambda: DeviceInfo.from_header("eyJtb2RlbCI6Im0ifQ=="),
        lambda: DeviceInfo.detect(model=None),
    ],
)
def test_warnings_point_to_the_caller(make: Any) -> None:
    """Whichever constructor is used, a warning names the line that has to be mended."""
    with pytest.warns(DeviceInfoWarning) as caught:
        make()
    assert {each.filename for each in caught} == {__file__}


def test_strict_leaves_the_filters_of_warnings_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """The strict constructor does not silence warnings meanwhile, which would silence other threads too."""
    with monkeypatch.context() as patch:
        patch.delattr(warnings, "catch_warnings")
        with pytest.raises(ConfigurationError, match="model is missing"):
            DeviceInfo.strict(**(GOOD | {"model": None}))


@pytest.mark.parametrize("hardware", ["VehicleMultimediaSystem", "Projector"])
def test_hardware_types_of_the_openapi_file_are_known(hardware: str) -> None:
    """Values that only Adobe's OpenAPI file lists are accepted as well."""
    assert DeviceInfo.strict(**GOOD, primary_hardware_type=hardware).primary_hardware_type == hardware


def test_extra_keys_are_frozen_and_sent() -> None:
    """Keys that Adobe adds later are sent as given, cannot change afterwards, and do not spoil the hash."""
    given_extra: dict[str, Any] = {"new": {"nested": 1}}
    device = DeviceInfo(**GOOD, extra=given_extra)
    given_extra["late"] = 1
    assert decoded(device)["new"] == device.extra["new"] == {"nested": 1}
    assert list(device.extra) == ["new"]
    assert not hasattr(device.extra, "__setitem__")
    assert hash(device) == hash(DeviceInfo(**GOOD))
    assert device != DeviceInfo(**GOOD)


def test_extra_keys_never_replace_known_ones() -> None:
    """What stands in a field wins over the same key in extra."""
    with pytest.warns(DeviceInfoWarning, match="give model instead of extra"):
        assert DeviceInfo(**GOOD, extra={"model": "other"}).to_json()["model"] == "m"


@pytest.mark.parametrize(
    "again",
    [copy.deepcopy, lambda device: pickle.loads(pickle.dumps(device)), dataclasses.replace],  # noqa: S301  (our own)
)
def test_devices_can_be_copied(again: Any) -> None:
    """A device survives copying, pickling and replacing, together with its extra keys."""
    device = DeviceInfo(**GOOD, extra={"new": 1})
    assert again(device) == device
    assert dataclasses.asdict(device)["extra"] == {"new": 1}


def test_the_header_is_made_once() -> None:
    """The header of a device is computed when first asked for, and kept."""
    device = DeviceInfo(**GOOD)
    assert device.header is device.header


@pytest.mark.parametrize("model", [object(), float("inf")])
def test_what_json_cannot_say_has_no_header(model: Any) -> None:
    """A value outside JSON is an error that says so, not a header that Adobe cannot read."""
    with pytest.warns(DeviceInfoWarning):
        device = DeviceInfo(**(GOOD | {"model": model}))
    with pytest.raises(ConfigurationError, match="JSON"):
        _ = device.header


def test_a_good_device_passes_in_silence() -> None:
    """A complete description neither warns nor raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert DeviceInfo.strict(**GOOD) == DeviceInfo(**GOOD)
    assert hash(DeviceInfo(**GOOD)) == hash(DeviceInfo(**GOOD))


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows", "OpenBSD", "FreeBSD", "Haiku", ""])
def test_any_machine_describes_itself(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """detect() finds a description that Adobe accepts, on every platform and where nothing can be found out."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "release", lambda: "")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("", ("", "", ""), ""))
    monkeypatch.setattr(platform, "machine", lambda: "")
    monkeypatch.setattr("pathlib.Path.read_text", _unreadable)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        device = DeviceInfo.detect()
    assert device.check().primary_hardware_type == "Desktop"
    assert (device.model, device.version, device.os_version) == ("unknown", "1", "unknown")
    assert (device.os_family == "BSD") is system.endswith("BSD")


def test_windows_is_described_without_the_platform_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows nothing is asked that could start a process or wait for WMI."""
    for name in ("uname", "system", "release", "machine", "mac_ver"):
        monkeypatch.setattr(platform, name, pytest.fail)
    monkeypatch.setattr(sys, "platform", "win32")
    windows = SimpleNamespace(major=10, minor=0, build=22631)
    monkeypatch.setattr(sys, "getwindowsversion", lambda: windows, raising=False)
    device = DeviceInfo.detect().check()
    assert (device.os_name, device.os_vendor, device.os_version) == ("Windows", "Microsoft", "10.0.22631")


def test_macos_gives_its_own_version(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version is that of macOS, not of its kernel."""
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.setattr(platform, "release", lambda: "23.1.0")
    monkeypatch.setattr(platform, "mac_ver", lambda: ("14.1", ("", "", ""), "arm64"))
    device = DeviceInfo.detect().check()
    assert (device.os_name, device.os_family, device.os_version) == ("Mac OS", "macOS", "14.1")


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
    assert (device.model, device.primary_hardware_type, device.extra) == ("m", "TV", {"new": 1})
    assert decoded(device)["new"] == 1


@pytest.mark.parametrize("order", [("type", "primaryHardwareType"), ("primaryHardwareType", "type")])
def test_the_alias_gives_way_to_the_real_key(order: tuple[str, str]) -> None:
    """If both names of the hardware type are there, Adobe's documented one counts, in either order."""
    values = {"type": "TV", "primaryHardwareType": "Tablet"}
    known = {key.adobe: GOOD[key.name] for key in KEYS if key.name in GOOD}
    device = DeviceInfo.from_json(known | {name: values[name] for name in order})
    assert (device.primary_hardware_type, device.extra) == ("Tablet", {})


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
