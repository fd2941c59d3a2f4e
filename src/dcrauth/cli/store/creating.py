"""``dcrauth store create-tables``: the tables of a `SQLStore`, made where they are not there."""

from typing import Any

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.output import say, write_json
from dcrauth.cli.settings import CommandSettings
from dcrauth.cli.store.statements import database_of
from dcrauth.errors import ConfigurationError
from dcrauth.stores.by_url import open_store


def create_tables(settings: CommandSettings, *, as_json: bool = False) -> int:
    """Make the tables, tell which were made, and see that a store can use them; no key of an encrypted one is read."""
    store: Any = open_store(database_of(settings), prefix=settings.prefix)
    if not hasattr(store, "create_tables"):
        raise ConfigurationError(f"Only a database of a SQLStore has tables to make; {store!r} needs none")
    with store as database:
        made = database.create_tables()
        present = [each.fullname for each in database.tables if each.fullname not in made]
        if as_json:
            write_json({"schema": 1, "store": repr(store), "made": made, "present": present})
        else:
            _tell(repr(store), made, present)
        database.healthcheck()
    return ExitCode.GOOD


def _tell(store: str, made: list[str], present: list[str]) -> None:
    say(f"store {store}")
    if made:
        say(f"made: {', '.join(made)}")
    if present:
        say(f"already there, left as they are: {', '.join(present)}")
