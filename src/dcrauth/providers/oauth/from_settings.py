"""An OAuth server as settings outside of a program describe it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from dcrauth._internal.arguments import path_of
from dcrauth._internal.secret_text import check_is_secret
from dcrauth.credentials import ClientCredentials
from dcrauth.errors import ConfigurationError
from dcrauth.providers.settings import OF_OAUTH, Settings

_LONGEST = 64 * 1024
"""In characters; no secret is near it."""

_SAME_NAMES = ("issuer", "token_endpoint", "registration_endpoint", "audience", "application")
_TO_REGISTER = ("software_statement", "initial_access_token_file", "registration_endpoint")
_OF_ADOBE = ("environment", "base_url", "device_identifier")


def is_named(settings: Settings) -> bool:
    """Return whether *settings* are about an OAuth server, and not about Adobe Pass."""
    return any(settings[name] is not None for name in ("issuer", "token_endpoint"))


def check_unnamed(settings: Settings) -> None:
    """Raise ConfigurationError if a setting is one of an OAuth server, and none of *settings* names that."""
    for other in map(settings.setting, OF_OAUTH):
        if other.value is not None:
            raise ConfigurationError(
                f"{other.name} ({other.origin}) is a setting of an OAuth server, and none is named: give issuer or "
                f"token_endpoint, or leave {other.name} out, which says nothing to Adobe Pass"
            )


def arguments_of(settings: Settings, protects: str | None = None) -> dict[str, Any]:
    """Return the arguments of an `OAuthServer` that *settings* describe.

    Parameters:
        settings: of a program or a command.
        protects: which API may see the token where no setting says it.

    Raises:
        ConfigurationError: a setting is missing, contradicts others, or its file cannot be read.
    """
    _check(settings)
    found: dict[str, Any] = {name: settings[name] for name in _SAME_NAMES}
    found |= {name: (settings[name] or "").split() for name in ("scope", "resource", "protects")}
    found["protects"] = found["protects"] or [*filter(None, [protects])]
    if not found["protects"]:
        raise ConfigurationError("No API is named that may see the token: set DCRAUTH_PROTECTS to its URL, or protects")
    found["client"] = client_of(settings)
    if found["client"] is None:
        found["software_statement"] = settings["software_statement"]
        path = settings["initial_access_token_file"]
        found["initial_access_token"] = None if path is None else partial(_read, path, "initial access token")
        return found
    _check_unregistered(settings)
    if callable(found["client"]):
        found["application"] = settings["application"] or settings["client_id"]
    return found


def client_of(settings: Settings) -> ClientCredentials | Callable[[], ClientCredentials] | None:
    """Return the client that *settings* give; one whose secret is in a file is read anew for each token call.

    Raises:
        ConfigurationError: there is an id without a secret, or a secret without an id, or its file cannot be read.
    """
    client_id, secret, path = (settings[name] for name in ("client_id", "client_secret", "client_secret_file"))
    if client_id is None and secret is None and path is None:
        return None
    if client_id is None:
        raise ConfigurationError("There is a client's secret and no id: set DCRAUTH_CLIENT_ID, or client_id")
    if secret is not None and path is not None:
        raise ConfigurationError("There are client_secret and client_secret_file: leave one of them out")
    if secret is not None:
        check_is_secret(secret, "client_secret")
        return ClientCredentials(client_id, secret)
    if path is None:
        raise ConfigurationError(
            "There is a client's id and no secret: set DCRAUTH_CLIENT_SECRET_FILE to the path of a file that holds it, "
            "or DCRAUTH_CLIENT_SECRET to the secret itself"
        )
    give = partial(_client, client_id, path)
    give()  # a file that is not there is told where it was named
    return give


def _client(client_id: str, path: str) -> ClientCredentials:
    secret = _read(path, "client's secret")
    check_is_secret(secret, f"What is in {path}")
    return ClientCredentials(client_id, secret)


def _read(path: str, what: str) -> str:
    try:
        with open(path_of(path, what), encoding="utf-8-sig") as file:
            text = file.read(_LONGEST).strip()
    except (OSError, ValueError) as reason:
        why = getattr(reason, "strerror", None) or "it is no text"
        raise ConfigurationError(f"The file of the {what}, {path}, cannot be read: {why}") from None
    if not text:
        raise ConfigurationError(f"The file of the {what}, {path}, is empty")
    return text


def _check_unregistered(settings: Settings) -> None:
    for other in map(settings.setting, _TO_REGISTER):
        if settings[other.name] is not None:
            raise ConfigurationError(
                f"{other.name} ({other.origin}) is for a client that is registered, and there is one that is given, by "
                "client_id: leave one of them out"
            )


def _check(settings: Settings) -> None:
    if not is_named(settings):
        raise ConfigurationError(
            "No OAuth server is named: set DCRAUTH_ISSUER, or DCRAUTH_TOKEN_ENDPOINT where the server has no metadata"
        )
    place = settings.setting("token_endpoint" if settings["issuer"] is None else "issuer")
    for other in map(settings.setting, _OF_ADOBE):
        if other.origin != "default":
            raise ConfigurationError(
                f"{other.name} ({other.origin}) is a setting of Adobe Pass, and {place.name} ({place.origin}) one of "
                "an OAuth server: leave one of them out"
            )
