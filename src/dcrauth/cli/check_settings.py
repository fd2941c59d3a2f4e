"""What ``dcrauth check`` is to look at, made of settings; what cannot be made is a finding, and ends nothing."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from dcrauth.errors import ConfigurationError, DCRAuthError
from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.adobe.environments import ENVIRONMENTS, Environment
from dcrauth.providers.oauth.arguments import endpoint
from dcrauth.providers.oauth.oauth_server import OAuthServer
from dcrauth.providers.origins import secure_url
from dcrauth.providers.settings import Settings
from dcrauth.providers.software_statement import SoftwareStatement
from dcrauth.stores import Store
from dcrauth.transports import default_transport

T = TypeVar("T")

NO_STATEMENT = (
    "No software statement is named: give the path of its file, by an option of the command, by "
    "$DCRAUTH_SOFTWARE_STATEMENT, or in a profile; another server than Adobe Pass is named by --issuer"
)


@dataclass(frozen=True)
class CheckSettings:
    """What is checked; in the place of what could not be made stands the error that says why.

    Parameters:
        statement: the software statement; None where none is needed.
        provider: the authorization server.
        urls: the endpoints to reach, the token endpoint first.
        issuer: what is asked where the token endpoint is, if that is not among them.
        store: where credentials are kept.
        transport: what calls the server, with the options of ours.
        instance: what tells this application instance from others.
        register: whether to register if there are no credentials.
        token: whether to ask for a token.
        wall: tells the time, in seconds since the epoch.
    """

    statement: SoftwareStatement | DCRAuthError | None
    provider: AdobePass | OAuthServer | DCRAuthError
    urls: Sequence[str] | DCRAuthError
    store: Store | DCRAuthError
    transport: Any
    instance: str = "default"
    issuer: str | None = None
    register: bool = False
    token: bool = False
    wall: Callable[[], float] = field(default=time.time, repr=False)


def gathered_of_oauth(
    settings: Settings,
    provider: Callable[[], AdobePass | OAuthServer],
    store: Callable[[], Store],
    *,
    register: bool = False,
    token: bool = False,
) -> CheckSettings:
    """Return what is to be checked of a server that is not Adobe's, as `gathered` does."""
    path, issuer = settings["software_statement"], settings["issuer"]
    place = settings["token_endpoint"]
    return CheckSettings(
        statement=None if path is None else _made(lambda: _statement(path)),
        provider=_made(provider),
        urls=_made(lambda: [*filter(None, [endpoint(place, "token_endpoint")])]),
        store=_made(store),
        transport=_made(default_transport),
        instance=settings["instance"] or "default",
        issuer=issuer if place is None else None,
        register=register,
        token=token,
    )


def gathered(
    statement: str | None,
    provider: Callable[[SoftwareStatement], AdobePass | OAuthServer],
    store: Callable[[], Store],
    *,
    environment: Environment = "release-production",
    base_url: str | None = None,
    instance: str = "default",
    register: bool = False,
    token: bool = False,
) -> CheckSettings:
    """Return what is to be checked, made of settings as far as that can be done.

    Parameters:
        statement: the path of the software statement's file; None if no setting names one.
        provider: makes the provider of a statement.
        store: opens the store.
        environment: which of Adobe's environments.
        base_url: takes the place of its host.
        instance: what tells this application instance from others.
        register: whether to register if there are no credentials.
        token: whether to ask for a token.
    """
    found = _made(lambda: _statement(statement))
    return CheckSettings(
        statement=found,
        provider=found if isinstance(found, DCRAuthError) else _made(lambda: provider(found)),
        urls=_made(lambda: _urls(environment, base_url)),
        store=_made(store),
        transport=_made(default_transport),
        instance=instance,
        register=register,
        token=token,
    )


def _made(make: Callable[[], T]) -> T | DCRAuthError:
    try:
        return make()
    except DCRAuthError as error:
        return error
    except ImportError as missing:  # an extra, which its text names
        return ConfigurationError(str(missing))


def _statement(path: str | None) -> SoftwareStatement:
    if path is None:
        raise ConfigurationError(NO_STATEMENT)
    return SoftwareStatement.of(path)


def _urls(environment: Environment, base_url: str | None) -> Sequence[str]:
    """Return the two endpoints, which are known without a statement."""
    if base_url is not None:
        base = secure_url(base_url, "base_url")
    elif environment in ENVIRONMENTS:
        base = f"https://{ENVIRONMENTS[environment][0]}"
    else:
        raise ConfigurationError(f"environment must be one of {', '.join(ENVIRONMENTS)}")
    return f"{base}/o/client/token", f"{base}/o/client/register"
