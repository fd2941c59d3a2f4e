"""``dcrauth token``: the access token, for programs that cannot renew one themselves."""

import threading
import time
from collections.abc import Callable
from typing import Annotated

import typer

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.options import Json
from dcrauth.cli.output import complain, write_json, write_line
from dcrauth.cli.settings import CommandSettings
from dcrauth.credentials import AccessToken
from dcrauth.engine.source import TokenSource
from dcrauth.errors import ConfigurationError, Unavailable, told_moment
from dcrauth.events import CredentialsReplaced, Event

_BETWEEN = 1.0
"""In seconds, how often it is looked for another token; while the one in hand is fresh that costs nothing."""


def token(
    settings: CommandSettings,
    header: Annotated[bool, typer.Option("--header", help="Print the header: Authorization: Bearer …")] = False,
    renew: Annotated[bool, typer.Option("--renew", help="The API has refused the present one: get another.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Go on, and print each new one on a line.")] = False,
    as_json: Json = False,
) -> int:
    """Print an access token, which is renewed if it has to be.

    As in curl -H "$(dcrauth token --header)" URL.
    """
    if header and as_json:
        raise ConfigurationError("--header and --json contradict each other: give one of them")
    source = settings.source(on_event=_say_if_replaced)
    tell = _as_json if as_json else _as_header if header else _as_text
    found = source.token()
    if renew:
        found = _another(source, found)
    tell(found)
    if watch:
        _watch(source, found, tell, threading.Event().wait)
    return ExitCode.GOOD


def _another(source: TokenSource, refused: AccessToken) -> AccessToken:
    """Return the token in the place of one that was *refused*; say so where it is the same, which a 401 would not."""
    found = source.token(instead_of=refused)
    if found == refused:
        complain(
            "This token was granted moments ago, in the place of another one that was refused, and so it is not renewed"
            " yet. If the API refuses it as well, dcrauth check --token tells what the server says of the client"
        )
    return found


def _say_if_replaced(event: Event) -> None:
    if isinstance(event, CredentialsReplaced):
        complain(
            "The server knows the stored client no longer, or its secret is wrong: another one was registered in its "
            "place, and its end users log in again. The former one is kept aside; dcrauth restore takes it back"
        )


def _watch(
    source: TokenSource, found: AccessToken, tell: Callable[[AccessToken], None], wait: Callable[[float], object]
) -> None:
    """Tell each token that takes the place of another, until that is interrupted, or what waits raises."""
    while True:
        wait(_BETWEEN)
        try:
            latest = source.token()
        except Unavailable as fault:
            complain(_with_next_try(fault))
            wait(max((fault.retry_at or 0.0) - time.time(), 0.0))
            continue
        if latest != found:
            tell(latest)
            found = latest


def _with_next_try(fault: Unavailable) -> str:
    if fault.retry_at is None:
        return fault.message
    return f"{fault.message}; the next try is at {told_moment(fault.retry_at)}"


def _as_text(found: AccessToken) -> None:
    write_line(found.value)


def _as_header(found: AccessToken) -> None:
    write_line(f"Authorization: {found.authorization}")


def _as_json(found: AccessToken) -> None:
    write_json(
        {
            "access_token": found.value,
            "token_type": "Bearer",
            "obtained_at": found.obtained_at,
            "expires_at": found.expires_at,
        }
    )
