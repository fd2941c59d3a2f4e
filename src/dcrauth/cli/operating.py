"""``dcrauth status`` and ``dcrauth check``: their options, and what is made of the settings."""

import time
from typing import Annotated, cast

import typer

from dcrauth.cli import arguments, check, status
from dcrauth.cli.check_settings import gathered, gathered_of_oauth
from dcrauth.cli.options import Json
from dcrauth.cli.output import write_line
from dcrauth.cli.settings import CommandSettings, provider_for
from dcrauth.cli.show import show
from dcrauth.cli.store_reading import read_report
from dcrauth.cli.stored import Named, named
from dcrauth.errors import ConfigurationError
from dcrauth.providers.adobe.environments import Environment
from dcrauth.providers.oauth.from_settings import is_named
from dcrauth.providers.settings import DEFAULTS, Settings


def tell_status(
    settings: CommandSettings,
    watch: Annotated[
        str | None, typer.Option("--watch", metavar="SECONDS", help="Show it again and again, until Ctrl-C.")
    ] = None,
    times: Annotated[int | None, typer.Option("--times", metavar="N", min=1, help="With --watch: so often.")] = None,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show client ids whole.")] = False,
    as_json: Json = False,
) -> int:
    """Tell what the store holds.

    Clients, tokens, what was replaced, and what cannot be read; no server is asked, and nothing is changed.
    """
    if times is not None and watch is None:
        raise ConfigurationError("--times says how often --watch shows it: give both, or leave it out")
    shown = status.Shown(as_json=as_json, reveal=reveal, every=_seconds(watch), times=times)
    named, store = _named(settings.read()), settings.store()
    return status.run(lambda: read_report(store, time.time(), named), shown, show, write_line)


def run_check(
    settings: CommandSettings,
    register: Annotated[bool, typer.Option("--register", help="Register if there certainly is no client.")] = False,
    token: Annotated[bool, typer.Option("--token", help="Ask for a token with the stored credentials.")] = False,
    as_json: Json = False,
) -> int:
    """Look at statement, server, store and client, and say what to do.

    It registers nothing and asks for no token unless it is asked to.
    """
    found = settings.read()
    if is_named(found):
        checked = gathered_of_oauth(found, settings.provider, settings.store, register=register, token=token)
        return check.run(checked, show, write_line if as_json else None)
    checked = gathered(
        found["software_statement"],
        lambda _: provider_for(found),
        settings.store,
        environment=cast("Environment", found["environment"]),  # whoever uses it looks whether it is one
        base_url=found["base_url"],
        instance=_instance(found),
        register=register,
        token=token,
    )
    return check.run(checked, show, write_line if as_json else None)


def _named(settings: Settings) -> Named | None:
    """Return the identity of the settings; None where they name no application."""
    if settings["software_statement"] is None and not is_named(settings):
        return None
    return named(provider_for(settings), _instance(settings))


def _instance(settings: Settings) -> str:
    return settings["instance"] or DEFAULTS["instance"]


def _seconds(value: str | None) -> float | None:
    try:
        return None if value is None else arguments.seconds(value)
    except ValueError:
        raise ConfigurationError("--watch is not a number of seconds; see dcrauth status --help") from None
