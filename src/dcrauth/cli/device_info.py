"""``dcrauth device-info``: the ``X-Device-Info`` header, made, read and checked."""

import json
import warnings
from collections.abc import Mapping
from typing import Annotated, Any

import typer

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.options import Json, all_filled, filled
from dcrauth.cli.output import say, write_json, write_line
from dcrauth.cli.standard_input import read_text
from dcrauth.errors import ConfigurationError
from dcrauth.providers.adobe.device_info import DeviceInfo, DeviceInfoWarning
from dcrauth.providers.adobe.device_keys import KEYS
from dcrauth.providers.adobe.this_machine import this_machine

app = typer.Typer(help="The X-Device-Info header: show, build, decode, validate.")

Header = Annotated[
    str, typer.Argument(metavar="HEADER", callback=filled, help="The header's value; - for standard input.")
]
Values = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", callback=all_filled, help="Adobe's names, such as model=TV."),
]
Detect = Annotated[bool, typer.Option("--detect", help="Begin with what this machine is.")]


@app.command("show")
def show(as_json: Json = False) -> int:
    """Show this machine as the streaming device.

    So do the other commands describe it, and AdobePass.from_environment().
    """
    return _tell(DeviceInfo.detect(), as_json)


@app.command("build")
def build(values: Values = None, detect: Detect = False, as_json: Json = False) -> int:
    """Print the header of a device that Adobe accepts."""
    device = _quiet({**(_this_machine() if detect else {}), **_parsed(values or [])})
    _check(_problems(device))
    if as_json:
        write_json({"header": device.header, "device": device.to_json()})
    else:
        write_line(device.header)
    return ExitCode.GOOD


@app.command("decode")
def decode(header: Header, as_json: Json = False) -> int:
    """Print the device that a header describes."""
    return _tell(_read(header), as_json)


@app.command("validate")
def validate(header: Header, as_json: Json = False) -> int:
    """Say whether Adobe accepts the device that a header describes."""
    device = _read(header)
    problems = _problems(device)
    if as_json:
        write_json({"valid": not problems, "problems": problems})
        return ExitCode.USAGE if problems else ExitCode.GOOD
    _check(problems)
    say("The device information is what Adobe Pass asks for")
    return ExitCode.GOOD


def _problems(device: DeviceInfo) -> list[str]:
    """Return what Adobe may object to, in Adobe's words."""
    return [f"{each.key} is missing" if each.value is None else str(each) for each in device.problems()]


def _check(problems: list[str]) -> None:
    if problems:
        raise ConfigurationError(f"The device information is not what Adobe Pass asks for: {'; '.join(problems)}")


def _this_machine() -> dict[str, Any]:
    """Return this machine under Adobe's names."""
    found = this_machine()
    return {key.adobe: found[key.name] for key in KEYS if key.name in found}


def _tell(device: DeviceInfo, as_json: bool) -> int:
    if as_json:
        write_json({"header": device.header, "device": device.to_json()})
    else:
        write_line(json.dumps(device.to_json(), indent=2))
    return ExitCode.GOOD


def _read(header: str) -> DeviceInfo:
    text = read_text("X-Device-Info header") if header == "-" else header
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceInfoWarning)  # what is to be objected to is told by `validate`
        return DeviceInfo.from_header(text.partition("X-Device-Info:")[2] or text)


def _quiet(values: Mapping[str, Any]) -> DeviceInfo:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceInfoWarning)  # it is checked right after
        return DeviceInfo.from_json(values)


def _parsed(pairs: list[str]) -> dict[str, Any]:
    """Return the values of KEY=VALUE, numbers and true and false as such where the key takes them."""
    found = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise ConfigurationError(f"{pair!r} is no KEY=VALUE: write model=TV")
        found[name] = _typed(name, value)
    return found


def _typed(name: str, value: str) -> Any:
    key = next((each for each in KEYS if each.adobe == name), None)
    if key is None or str in key.types:
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value
