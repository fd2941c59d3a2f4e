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
    rows = [(each.name, _shown(each, reveal), each.origin) for each in found.found]
    for name, value, origin in rows:
        say(f"{name:<18}  {_padded(value, [row[1] for row in rows])}  {origin}")
    say(f"{'profile':<18}  {found.profile or '(none)'}")
    say(f"{'file':<18}  {found.config}")
    for variable in _ignored(found):
        say(f"{'ignored':<18}  ${variable}, which is empty")
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


def _padded(value: str, values: list[str]) -> str:
    """Return *value* as wide as the widest of *values*, as far as that leaves room for what follows."""
    return f"{visible(value):<{min(max(len(visible(each)) for each in values), 36)}}"
