"""Settings that stand outside of a program, the same for a command, a cron job, a function and a developer's shell.

What a program says itself comes first, then the environment (``DCRAUTH_…``), then a profile in ``config.toml`` of the
user's configuration folder, then the default. A variable that is empty counts as one that is not set: so do shells and
containers unset one.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dcrauth._internal import store_urls
from dcrauth._internal.arguments import check_text, shown
from dcrauth._internal.confidential import Confidential, confidential, discreet
from dcrauth.errors import ConfigurationError

OF_OAUTH = (
    *("issuer", "token_endpoint", "registration_endpoint"),
    *("client_id", "client_secret", "client_secret_file", "initial_access_token_file"),
    *("scope", "resource", "audience", "protects", "application"),
)
"""The settings of any other server than Adobe Pass."""

VARIABLES: Mapping[str, str] = {
    "software_statement": "DCRAUTH_SOFTWARE_STATEMENT",
    "environment": "DCRAUTH_ENVIRONMENT",
    "base_url": "DCRAUTH_BASE_URL",
    "store": "DCRAUTH_STORE",
    "instance": "DCRAUTH_INSTANCE",
    "device_identifier": "DCRAUTH_DEVICE_IDENTIFIER",
    **{name: f"DCRAUTH_{name.upper()}" for name in OF_OAUTH},
}
"""The variable for each setting; ``DCRAUTH_PROFILE`` names the profile."""

PROFILE = "DCRAUTH_PROFILE"
DEFAULTS: Mapping[str, str] = {"environment": "release-production", "instance": "default"}

_PATHS = frozenset({"software_statement", "store", "client_secret_file", "initial_access_token_file"})
"""What may be a path: in a profile, one that begins nowhere begins in the folder of the file."""

_KEY_FILE = re.compile(rf"([?&]{store_urls.KEY_FILE}=)([^&]+)")

_URLS = frozenset({"store", "base_url", "issuer", "token_endpoint", "registration_endpoint", "protects"})
"""What may be a URL, and so may hold a password, though only that of a store has a use for one."""


@confidential
class Setting(Confidential):
    """One setting.

    Parameters:
        name: as in a profile, such as ``base_url``.
        value: what it is; None if nobody says.
        origin: who says so, such as ``$DCRAUTH_STORE``.
    """

    name: str
    value: str | None = field(repr=False)
    origin: str

    @property
    def told(self) -> str | None:
        """What may be shown of the value: not a statement or a secret, nor the password in a URL."""
        if self.value is None:
            return None
        if self.name == "client_secret":
            return "…"
        if self.name == "software_statement" and self.value.lstrip().startswith("eyJ"):
            return f"a statement of {len(self.value)} characters"
        if self.name == "protects":
            return " ".join(map(store_urls.told, self.value.split()))
        return store_urls.told(self.value) if self.name in _URLS else self.value


@dataclass(frozen=True)
class Settings:
    """All settings, each with its origin.

    Parameters:
        profile: the name of the profile in use, if there is one.
        config: where profiles are looked for.
        found: the settings, in the order of `VARIABLES`.
        ignored: variables that were seen and are empty.
    """

    profile: str | None
    config: str
    found: tuple[Setting, ...]
    ignored: tuple[str, ...] = ()

    def __getitem__(self, name: str) -> str | None:
        return self.setting(name).value

    def setting(self, name: str) -> Setting:
        """Return the setting of that name."""
        return next(each for each in self.found if each.name == name)


@discreet
def read_settings(
    profile: str | None = None,
    given: Mapping[str, str | None] | None = None,
    environment: Mapping[str, str] | None = None,
) -> Settings:
    """Return the settings that hold here.

    Parameters:
        profile: the name of a profile; by default that in ``DCRAUTH_PROFILE``, else ``default``, if it is there.
        given: what the program says itself, by name; None for what it leaves open.
        environment: the variables; by default those of this process.

    Raises:
        ConfigurationError: there is no such profile, or the file is none.
    """
    if profile is not None:
        check_text(profile, "profile")
    variables = os.environ if environment is None else environment
    path = config_path()
    chosen, values = _profile(path, profile or _variable(variables, PROFILE))
    found = (_setting(name, given or {}, variables, chosen, values) for name in VARIABLES)
    names = (*VARIABLES.values(), PROFILE)
    ignored = tuple(name for name in names if name in variables and not variables[name].strip())
    return Settings(chosen, path, tuple(found), ignored)


def config_path() -> str:
    """Return where the file with the profiles is: ``config.toml`` in the user's configuration folder."""
    from platformdirs import user_config_dir  # noqa: PLC0415  # not every program asks for it

    return os.path.join(user_config_dir("dcrauth", appauthor=False), "config.toml")


def _variable(variables: Mapping[str, str], name: str) -> str | None:
    return variables.get(name, "").strip() or None


def _setting(
    name: str,
    given: Mapping[str, str | None],
    variables: Mapping[str, str],
    profile: str | None,
    values: Mapping[str, str],
) -> Setting:
    if (value := given.get(name)) is not None:
        return Setting(name, value.strip(), "given")
    if (value := _variable(variables, VARIABLES[name])) is not None:
        return Setting(name, value, f"${VARIABLES[name]}")
    if name in values:
        return Setting(name, values[name], f"profile {profile}")
    return Setting(name, DEFAULTS.get(name), "default")


def _profile(path: str, wanted: str | None) -> tuple[str | None, dict[str, str]]:
    """Return the name and the values of the profile that is *wanted*, or of the default one, if there is one."""
    profiles = _profiles(path)
    name = wanted or "default"
    if name not in profiles:
        if wanted is None:
            return None, {}
        known = ", ".join(map(shown, profiles)) or "none"
        raise ConfigurationError(f"There is no profile {shown(wanted)} in {path}; it has {known}")
    return name, _values(path, name, profiles[name])


def _profiles(path: str) -> dict[str, Any]:
    try:
        with open(path, "rb") as file:
            import tomllib  # noqa: PLC0415  # dear, and few programs have such a file

            found = tomllib.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as reason:
        why = getattr(reason, "strerror", None) or "it is not TOML"
        raise ConfigurationError(f"The settings in {path} cannot be read: {why}") from None
    profiles = found.pop("profiles", {})
    if found or not isinstance(profiles, dict):
        raise ConfigurationError(
            f"In {path} there are profiles and nothing else, each as a table [profiles.NAME]; found {_named(found)}"
        )
    return profiles


def _values(path: str, name: str, profile: object) -> dict[str, str]:
    values = profile if isinstance(profile, dict) else {}
    if not isinstance(profile, dict) or any(not isinstance(value, str) for value in values.values()):
        raise ConfigurationError(f"The profile {shown(name)} in {path} has to be a table of texts")
    if strange := {key: value for key, value in values.items() if key not in VARIABLES}:
        raise ConfigurationError(
            f"The profile {shown(name)} in {path} has {_named(strange)}, which is no setting; "
            f"there are {', '.join(VARIABLES)}"
        )
    folder = os.path.dirname(path)
    filled = {key: value.strip() for key, value in values.items() if value.strip()}
    return {key: _placed(value, folder) if key in _PATHS else value for key, value in filled.items()}


def _placed(value: str, folder: str) -> str:
    """Return a path that begins nowhere as one that begins in *folder*; text, URLs and whole paths as they are."""
    if value.lstrip().startswith("eyJ") or value.startswith("~"):
        return value
    if store_urls.is_encrypted(value):
        return _placed_encrypted(value, folder)
    scheme, rest = store_urls.scheme_of(value), store_urls.behind_scheme(value)
    if not scheme:
        return os.path.join(folder, value)
    return f"{value[: -len(rest)]}{_placed(rest, folder)}" if scheme in {"file", "sqlite"} and rest else value


def _placed_encrypted(value: str, folder: str) -> str:
    """Return what names an encrypted store with its own place, and those of its keys, in *folder*."""
    inner = store_urls.beneath_encryption(value)
    where, mark, options = inner.rpartition("?") if "?" in inner else (inner, "", "")
    placed = _KEY_FILE.sub(lambda found: f"{found[1]}{_placed(found[2], folder)}", f"{mark}{options}")
    return f"{store_urls.ENCRYPTED}{_placed(where, folder) if where else where}{placed}"


def _named(found: Mapping[str, object]) -> str:
    return ", ".join(map(shown, found)) or "something else"
