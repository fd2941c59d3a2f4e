"""``dcrauth store ddl``: the statements that make the tables of a `SQLStore`, for those who make tables by hand."""

from dcrauth._internal import store_urls
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.output import write_json, write_line
from dcrauth.cli.settings import CommandSettings
from dcrauth.errors import ConfigurationError
from dcrauth.stores.by_url import in_environment


def ddl(
    settings: CommandSettings, database: str | None, *, table: str | None, schema: str | None, as_json: bool = False
) -> int:
    """Print the statements for a kind of database, or for the one that a URL names; nothing is called by that."""
    from dcrauth.stores.sql import ddl_of  # noqa: PLC0415  # needs an extra

    url, options = store_urls.without(database_of(settings, database), ("table", "schema"))
    names = {**dict(options), **{name: given for name, given in (("table", table), ("schema", schema)) if given}}
    dialect, statements = ddl_of(url, **names)
    if as_json:
        write_json({"schema": 1, "dialect": dialect, "statements": statements})
    else:
        write_line("\n\n".join(f"{each};" for each in statements))
    return ExitCode.GOOD


def database_of(settings: CommandSettings, database: str | None = None) -> str:
    """Return what names the database: *database*, or the store of the settings, as the plain one that it is.

    Raises:
        ConfigurationError: nothing names one.
    """
    if (found := database or settings.read()["store"]) is None:
        raise ConfigurationError("Name the database that the tables are for, as by --store URL")
    url = in_environment(found)
    return store_urls.without(store_urls.beneath_encryption(url), store_urls.KEYS)[0]
