"""``dcrauth store``: its commands, for Typer."""

from typing import Annotated, Any

import typer

from dcrauth.cli.options import OF_STORE, Json, filled, text_option, with_options
from dcrauth.cli.settings import CommandSettings
from dcrauth.cli.store import checking, copying, counting, creating, encrypting, statements

app = typer.Typer(help="Stores: copy, check, stats, encrypt, create-tables, ddl.")


def _where(metavar: str, told: str) -> Any:
    return typer.Argument(metavar=metavar, callback=filled, help=told)


@app.command("copy")
def _copy(
    source: Annotated[
        str, _where("FROM", "What --store takes, env:NAME if it has a password, or profile:NAME for that of a profile.")
    ],
    target: Annotated[str, _where("TO", "The same.")],
    as_json: Json = False,
) -> int:
    """Copy a store into another one, and read it back.

    Clients that the other one has stay as they are. If it breaks off, run it again.
    """
    return copying.copy(source, target, as_json=as_json)


@app.command("check")
@with_options(OF_STORE)
def _check(settings: CommandSettings, as_json: Json = False) -> int:
    """Look at a store, and read every record of it.

    Nothing is changed; a record is written and removed again, to see that it can be.
    """
    return checking.check(settings, as_json=as_json)


@app.command("stats")
@with_options(OF_STORE)
def _stats(settings: CommandSettings, as_json: Json = False) -> int:
    """Count what is in a store."""
    return counting.stats(settings, as_json=as_json)


@app.command("encrypt")
@with_options(OF_STORE)
def _encrypt(settings: CommandSettings, as_json: Json = False) -> int:
    """Encrypt a store that was in use without that.

    The key that is named is made where there is none, unless records are encrypted already. Stop all that uses the
    store before.
    """
    return encrypting.encrypt(settings, as_json=as_json)


@app.command("create-tables")
@with_options(OF_STORE)
def _create_tables(settings: CommandSettings, as_json: Json = False) -> int:
    """Make the tables of a SQLStore where they are not there.

    What is there is left as it is. A record is written and removed again, to see that it can be.
    """
    return creating.create_tables(settings, as_json=as_json)


@app.command("ddl")
@with_options(("profile", "store"))
def _ddl(
    settings: CommandSettings,
    database: Annotated[
        str | None,
        _where("DATABASE", "postgresql, mysql, mariadb, sqlite, or a URL; default: the store of the settings."),
    ] = None,
    table: Annotated[str | None, text_option("table", "What the table of records is called.", "NAME")] = None,
    schema: Annotated[str | None, text_option("schema", "The schema that the tables are in.", "NAME")] = None,
    as_json: Json = False,
) -> int:
    """Print the statements that make the tables of a SQLStore."""
    return statements.ddl(settings, database, table=table, schema=schema, as_json=as_json)
