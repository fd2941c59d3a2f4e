"""``dcrauth config``: which settings hold here, and where each comes from."""

import os
from dataclasses import replace

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.options import Json, Reveal
from dcrauth.cli.output import say, visible, write_json
from dcrauth.cli.settings import CommandSettings
from dcrauth.errors import ConfigurationError
from dcrauth.providers.settings import OF_OAUTH, Setting, Settings
from dcrauth.stores.file import DIRECTORY_VARIABLE, FileStore


def config(settings: CommandSettings, reveal: Reveal = False, as_json: Json = False) -> int:
    """Show the settings that hold here, and where each comes from."""
    found = _with_default_store(settings.read())
    if as_json:
        write_json(_facts(found, reveal))
        return ExitCode.GOOD
    lines = [(each.name, each.origin, _shown(each, reveal)) for each in _told(found)]
    lines += [("profile", "", found.profile or "-"), ("file", "", found.config)]
    lines += [("ignored", f"${variable}", "it is empty") for variable in _ignored(found)]
    width = max(18, *(len(name) for name, _, _ in lines))
    for name, origin, value in lines:
        say(f"{name:<{width}}  {visible(origin):<27}  {value}")
    return ExitCode.GOOD


def _with_default_store(found: Settings) -> Settings:
    """Return the settings with the store named that is used where none of them says which."""
    if found["store"] is not None:
        return found
    try:
        path = FileStore().place[1]
    except ConfigurationError:  # there is no home directory; whatever needs a store says so
        return found
    is_set = (os.environ.get(DIRECTORY_VARIABLE) or "").strip()
    store = Setting("store", path, f"${DIRECTORY_VARIABLE}" if is_set else "default")
    return replace(found, found=tuple(store if each.name == "store" else each for each in found.found))


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


def _told(found: Settings) -> list[Setting]:
    """Return the settings for people: of another server than Adobe Pass those that somebody has made."""
    return [each for each in found.found if each.name not in OF_OAUTH or each.value is not None]


def _shown(each: Setting, reveal: bool) -> str:
    value = each.value if reveal else each.told
    return "-" if value is None else value
