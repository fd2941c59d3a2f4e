"""``dcrauth export`` and ``dcrauth import``: client credentials, from a store into a file and back."""

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.output import say, write_json
from dcrauth.cli.settings import CommandSettings
from dcrauth.cli.standard_input import read_secret
from dcrauth.credentials import ClientCredentials
from dcrauth.engine.transfer import (
    NoCredentials,
    Transferred,
    export_credentials,
    import_client,
    import_credentials,
)
from dcrauth.errors import ConfigurationError, StoreCorrupt


def export_to(settings: CommandSettings, file: str, *, as_json: bool = False) -> int:
    """Write the client credentials of a store to a new file, and say how many."""
    count = _exported(settings, file)
    if as_json:
        write_json({"exported": count, "file": file})
    else:
        say(f"{count} client credentials written to {file}, in plain text")
    return ExitCode.GOOD


def import_from(
    settings: CommandSettings,
    file: str | None,
    *,
    client_id: str | None = None,
    overwrite: bool = False,
    as_json: bool = False,
) -> int:
    """Read client credentials from an exported file, or one pair whose secret is read from standard input."""
    if (file is None) == (client_id is None):
        raise ConfigurationError(
            "Give one of both: FILE, which dcrauth export wrote, or --client-id for a single client"
        )
    if file is not None:
        done = import_credentials(settings.store(), file, overwrite=overwrite)
    else:
        done = _imported(settings, client_id or "", overwrite)
    if as_json:
        write_json({"written": done.written, "present": done.present, "kept": done.kept})
    else:
        say(f"{done.written} written, {done.present} already there, {done.kept} different ones kept as they are")
    return ExitCode.GOOD


def _exported(settings: CommandSettings, file: str) -> int:
    store = settings.store()
    try:
        return export_credentials(store, file)
    except NoCredentials:
        raise ConfigurationError(
            f"There are no client credentials in {store!r}, and nothing was exported. Name the store that your "
            "application uses, with --store (and --prefix, if it is a Redis) or $DCRAUTH_STORE"
        ) from None
    except StoreCorrupt as damage:
        if settings.is_encrypted:
            raise
        raise StoreCorrupt(f"{damage}. If the store is encrypted, nothing is damaged: give --key-file") from None


def _imported(settings: CommandSettings, client_id: str, overwrite: bool) -> Transferred:
    provider = settings.provider()
    store, instance = settings.store(), provider.default_instance or "default"
    pair = ClientCredentials(client_id, read_secret("client secret"))
    return import_client(store, provider, instance, pair, overwrite=overwrite)
