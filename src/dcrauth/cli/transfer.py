"""``dcrauth export`` and ``dcrauth import``: client credentials, from a store into a file or a pipe, and back."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.output import say, write_json, write_line
from dcrauth.cli.settings import CommandSettings
from dcrauth.cli.standard_input import read_secret
from dcrauth.credentials import ClientCredentials
from dcrauth.engine.client_proof import prove_client
from dcrauth.engine.given_client import given_by
from dcrauth.engine.transfer import (
    NoCredentials,
    Transferred,
    check_client,
    export_credentials,
    export_lines,
    import_client,
    import_credentials,
)
from dcrauth.errors import ConfigurationError, Rejected, StoreCorrupt, Unavailable
from dcrauth.providers.protocol import Provider
from dcrauth.stores import Store


def export_to(settings: CommandSettings, file: str, *, as_json: bool = False) -> int:
    """Write the client credentials of a store to a new file, and say how many; or to standard output."""
    if file == "-":
        return _printed(settings, as_json)
    with _told(settings) as store:
        count = export_credentials(store, file)
    if as_json:
        write_json({"exported": count, "file": file})
    else:
        say(f"{count} client credentials written to {file}, in plain text")
    return ExitCode.GOOD


@dataclass(frozen=True)
class Import:
    """What is to be imported, and how.

    Parameters:
        file: an exported file.
        client_id: in its place, that of one client, whose secret is read from standard input.
        overwrite: whether credentials that differ give way; they are kept aside.
        verify: whether such a client has to be proved before it is stored.
    """

    file: str | None = None
    client_id: str | None = None
    overwrite: bool = False
    verify: bool = True


def import_from(settings: CommandSettings, wanted: Import, *, as_json: bool = False) -> int:
    """Read client credentials from an exported file, or one pair whose secret is read from standard input."""
    file, client_id = wanted.file, wanted.client_id
    if (file is None) == (client_id is None):
        raise ConfigurationError(
            "Give one of both: FILE, which dcrauth export wrote, or --client-id for a single client"
        )
    done = _imported(settings, wanted) if file is None else _read(settings.store(), file, wanted.overwrite)
    if as_json:
        write_json(asdict(done))
    else:
        say(_told_of(done))
    _check_none_kept(done)
    return ExitCode.GOOD


def _told_of(done: Transferred) -> str:
    different = done.kept - done.forgotten
    told = f"{done.written} written, {done.present} already there, {different} different ones kept as they are"
    return f"{told}, {done.forgotten} deleted here on purpose" if done.forgotten else told


def _check_none_kept(done: Transferred) -> None:
    """Raise ConfigurationError if something in the store has kept a client out, which is no success."""
    if done.kept > done.forgotten:
        raise ConfigurationError(
            "The store has another client in the place of each that was kept out: --overwrite puts what is imported in "
            "its place, and keeps it aside"
        )
    if done.forgotten:
        raise ConfigurationError(
            "What was kept out was deleted here on purpose, as by dcrauth forget: --overwrite brings it back"
        )


def _printed(settings: CommandSettings, as_json: bool) -> int:
    if as_json:
        raise ConfigurationError("--json and an export to standard output contradict each other: give one of them")
    if sys.stdout is not None and sys.stdout.isatty():
        raise ConfigurationError("This would show secrets on the terminal: give FILE, or a pipe such as one to gpg")
    with _told(settings) as store:
        lines = list(export_lines(store))  # all or nothing
    write_line("\n".join(lines))
    return ExitCode.GOOD


@contextmanager
def _told(settings: CommandSettings) -> Iterator[Store]:
    """Yield the store, and tell what is probably wrong with the settings where nothing can be read from it."""
    store = settings.store()
    try:
        yield store
    except NoCredentials:
        raise ConfigurationError(
            f"There are no client credentials in {store!r}, and nothing was exported. Name the store that your "
            "application uses, with --store (and --prefix, if it is a Redis) or $DCRAUTH_STORE"
        ) from None
    except StoreCorrupt as damage:
        if settings.is_encrypted:
            raise
        raise StoreCorrupt(f"{damage}. If the store is encrypted, nothing is damaged: give --key-file") from None


def _read(store: Store, file: str, overwrite: bool) -> Transferred:
    if file != "-":
        return import_credentials(store, file, overwrite=overwrite)
    if sys.stdin is None:
        raise ConfigurationError("There is nothing on standard input: it is closed; pipe an export in, or give FILE")
    return import_credentials(store, sys.stdin, overwrite=overwrite)


def _imported(settings: CommandSettings, wanted: Import) -> Transferred:
    provider = settings.provider()
    if given_by(provider) is not None:
        raise ConfigurationError(
            "These settings give a client, which is never stored: leave client_id out to import one"
        )
    store, instance = settings.store(), provider.default_instance or "default"
    pair = ClientCredentials(wanted.client_id or "", read_secret("client secret"))
    check_client(provider, instance, pair)
    if wanted.verify:
        _prove(provider, pair)
    return import_client(store, provider, instance, pair, overwrite=wanted.overwrite)


def _prove(provider: Provider, pair: ClientCredentials) -> None:
    """Have the server grant a token for a client; what it says else is raised, with what that means here."""
    try:
        prove_client(provider, pair)
    except Rejected as refusal:
        raise Rejected(
            f"{refusal.message}. So nothing was imported: check id, secret, environment and address", **refusal.evidence
        ) from None
    except Unavailable as fault:
        raise Unavailable(
            f"{fault.message}. So the client is not proved, and nothing was imported; --no-verify imports it unproved",
            **fault.evidence,
        ) from None
