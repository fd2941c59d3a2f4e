"""``dcrauth forget`` and ``dcrauth restore``: giving up the client, and taking the one before it."""

from typing import Annotated

import typer

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.options import Json, Yes
from dcrauth.cli.output import say, visible, write_json
from dcrauth.cli.settings import CommandSettings
from dcrauth.cli.standard_input import check_agreed
from dcrauth.engine.given_client import given_by
from dcrauth.errors import ConfigurationError


def forget(
    settings: CommandSettings,
    unregister: Annotated[
        bool, typer.Option("--unregister", help="Have the server delete the client first; else it stays there.")
    ] = False,
    yes: Yes = False,
    as_json: Json = False,
) -> int:
    """Delete the client of one identity, and its token.

    Its viewers are logged out for good, and the next request registers anew.
    """
    source = settings.source()
    is_given = given_by(source.provider) is not None
    if is_given and unregister:
        raise ConfigurationError(
            "These settings give a client, which nothing here has registered: leave --unregister out"
        )
    where = " at the server and here" if unregister else ""
    check_agreed(
        f"Delete the client of instance {visible(source.instance)!r}{where}, and log its viewers out for good?", yes=yes
    )
    found = source.forget(unregister=unregister)
    if as_json:
        write_json({"forgotten": found, "unregistered": found and unregister})
    else:
        say("The settings give the client; its tokens are deleted" if is_given else _told(found, unregister))
    return ExitCode.GOOD


def _told(found: bool, unregistered: bool) -> str:
    if not found:
        return "There was no client to delete"
    if unregistered:
        return "The server has the client no more, and it is deleted here as well; the next request registers anew"
    return "The client is deleted; the next request registers anew"


def restore(settings: CommandSettings, yes: Yes = False, as_json: Json = False) -> int:
    """Put the client back in use that was replaced last.

    The present one is kept aside, so that nothing is lost.
    """
    source = settings.source()
    check_agreed(
        f"Put the client before the present one of instance {visible(source.instance)!r} back in use?", yes=yes
    )
    if not source.restore():
        raise ConfigurationError("No client was replaced here, and nothing was changed: look at --store and --instance")
    if as_json:
        write_json({"restored": True})
    else:
        say("The client that was replaced last is in use again; the other one is kept aside")
    return ExitCode.GOOD
