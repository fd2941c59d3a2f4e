"""``dcrauth statement``: what a software statement says, and whether it will do."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from dcrauth._internal.strict_json import number
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.options import OF_STATEMENT, Json, Reveal, filled, with_options
from dcrauth.cli.output import complain, say, write_json, write_line
from dcrauth.cli.settings import CommandSettings
from dcrauth.cli.standard_input import read_text
from dcrauth.cli.statement_signature import header_of, unusual_signature
from dcrauth.errors import ConfigurationError
from dcrauth.providers.software_statement import SoftwareStatement

app = typer.Typer(help="Look at a software statement: show, decode, validate.")

_AHEAD = 300.0
"""In seconds, how far the clocks of two honest machines may be apart."""

File = Annotated[
    str | None,
    typer.Argument(metavar="FILE", callback=filled, help="- for standard input; default: that of the settings."),
]


@app.command("show")
@with_options(OF_STATEMENT)
def show(settings: CommandSettings, file: File = None, reveal: Reveal = False, as_json: Json = False) -> int:
    """Show of which application it is, and from whom."""
    statement = _statement(settings, file)
    facts = {
        "application": statement.application,
        "issuer": statement.issuer,
        "issued_at": statement.issued_at,
        "statement": statement.text if reveal else f"{len(statement.text)} characters; --reveal shows them",
    }
    if as_json:
        write_json(facts)
        return ExitCode.GOOD
    for name, value in {**facts, "issued_at": _date(statement.issued_at)}.items():
        say(f"{name:<11}  {'-' if value is None else value}")
    return ExitCode.GOOD


@app.command("decode")
@with_options(OF_STATEMENT)
def decode(settings: CommandSettings, file: File = None, as_json: Json = False) -> int:
    """Print its header and claims.

    Its signature is not checked: only the server can do that.
    """
    statement = _statement(settings, file)
    found = {"header": header_of(statement.text), "claims": dict(statement.claims)}
    if as_json:
        write_json(found)
    else:
        write_line(json.dumps(found, indent=2))
    return ExitCode.GOOD


@app.command("validate")
@with_options(OF_STATEMENT)
def validate(settings: CommandSettings, file: File = None, as_json: Json = False) -> int:
    """Say whether it can be read and is of the present.

    No server is asked, which alone can verify its signature; one of an unusual length is a warning.
    """
    statement = _statement(settings, file)
    problems = _problems(statement.claims, time.time())
    warnings = [*filter(None, [unusual_signature(statement.text)])]
    for each in warnings:
        complain(f"warning: {each}: it may have been cut short; compare it with the file that you downloaded")
    if as_json:
        write_json({"valid": not problems, "problems": problems, "warnings": warnings})
    elif problems:
        raise ConfigurationError(f"The software statement will not do: {'; '.join(problems)}")
    else:
        say("The software statement can be read and is of the present; whether it is accepted only the server can tell")
    return ExitCode.USAGE if problems else ExitCode.GOOD


def _statement(settings: CommandSettings, file: str | None) -> SoftwareStatement:
    if file == "-":
        return SoftwareStatement(read_text("software statement"))
    if (source := file or settings.read()["software_statement"]) is None:
        raise ConfigurationError(
            "No software statement is named: give FILE, or set DCRAUTH_SOFTWARE_STATEMENT to the path of its file"
        )
    return SoftwareStatement.of(source)


def _problems(claims: Mapping[str, Any], now: float) -> list[str]:
    """Return what is wrong with the claims, as far as a client can tell (RFC 7519 §4.1)."""
    found = []
    if (expires_at := number(claims.get("exp"))) is not None and expires_at <= now:
        found.append(f"it has expired at {_date(expires_at)}: download another one")
    moments = {name: number(claims.get(name)) for name in ("iat", "nbf")}
    found += [
        f"it is of the future ({name} is {_date(moment)}): look at this machine's clock"
        for name, moment in moments.items()
        if moment is not None and moment > now + _AHEAD
    ]
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        found.append("it names no application (no sub): download it again")
    return found


def _date(moment: float | None) -> str | None:
    if moment is None:
        return None
    try:
        return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{moment:g} s since the epoch"
