"""``dcrauth config``: which settings hold here, and where each comes from."""

import os

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.options import Json, Reveal
from dcrauth.cli.output import say, visible, write_json
from dcrauth.cli.settings import CommandSettings
from dcrauth.providers.settings import Setting, Settings
from dcrauth.stores.file import DIRECTORY_VARIABLE


def config(settings: CommandSettings, reveal: Reveal = False, as_json: Json = False) -> int:
    """Show the settings that hold here, and where each comes from."""
    found = settings.read()
    if as_json:
        write_json(_facts(found, reveal))
        return ExitCode.GOOD
    lines = [(each.name, each.origin, _shown(each, reveal)) for each in found.found]
    lines += [("profile", "", found.profile or "-"), ("file", "", found.config)]
    lines += [("ignored", f"${variable}", "it is empty") for variable in _ignored(found)]
    for name, origin, value in lines:
        say(f"{name:<18}  {visible(origin):<27}  {value}")
    return ExitCode.GOOD


def _facts(found: Settings, reveal: bool) -> dict[str, object]:
    return {
        "profile": found.profile,
        "file": found.config,
        "settings": {
            each.name: {"value": each.value if reveal else each.told, "origin": each.origin} for each in found.found
        },
        "ignored": _ignored(found),
    }


def _ignored(found: Settings) -> list[str]:
    directory = os.environ.get(DIRECTORY_VARIABLE)
    return [*found.ignored, *[DIRECTORY_VARIABLE] * (directory is not None and not directory.strip())]


def _shown(each: Setting, reveal: bool) -> str:
    value = each.value if reveal else each.told
    return "-" if value is None else value
