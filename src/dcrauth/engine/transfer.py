"""Moving client credentials from one store to another, so that a change of store logs nobody out.

Only credentials travel, along with those that were replaced; tokens are had anew. Nothing is overwritten unless that is
asked for, and then the old pair is kept aside. To move the same credentials twice does no harm. A store that never had
any is an error: it is rather the wrong one, and what is taken for a backup would be empty.

An exported file has one JSON object on each line: a heading, the records, and how many of these there are.
"""

import io
import itertools
import json
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from functools import partial
from typing import TextIO

from dcrauth._internal.arguments import check_text, path_of
from dcrauth._internal.strict_json import json_object
from dcrauth.credentials import ClientCredentials
from dcrauth.engine.arriving import NoCredentials, Outcome, delete_tokens, no_credentials_in, write_arriving
from dcrauth.engine.identity import Identity, identity_using, is_of_credentials
from dcrauth.engine.records import StoredCredentials, read_credentials, storable, write_credentials
from dcrauth.errors import ConfigurationError, StoreCorrupt
from dcrauth.providers.protocol import Provider
from dcrauth.stores import Store

_HEADING = {"format": "dcrauth-export", "schema": 1}
_BY_HAND = "One client that was registered by hand takes dcrauth import --client-id, or import_client"
_LONGEST_LINE = 16 * 1024 * 1024
"""In characters; no record is near it, and a line without an end, as of a device, must not fill the memory."""

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)

__all__ = [
    "NoCredentials",
    "Transferred",
    "copy_credentials",
    "export_credentials",
    "export_lines",
    "import_client",
    "import_credentials",
]

Records = Iterable[tuple[str, bytes]]


@dataclass(frozen=True)
class Transferred:
    """How a transfer went, in numbers of identities and of pairs that were kept aside.

    Parameters:
        written: were not in the target store, or were overwritten as asked.
        present: were there already, the same.
        kept: were there already, different ones, or were deleted there on purpose, and were left as they are.
        forgotten: so many of the kept ones were deleted there on purpose.
    """

    written: int
    present: int
    kept: int
    forgotten: int = 0


def copy_credentials(source: Store, target: Store, *, overwrite: bool = False) -> Transferred:
    """Copy all client credentials from one store to another.

    Parameters:
        overwrite: whether credentials of the target that differ give way; they are kept aside.

    Raises:
        ConfigurationError: *source* has no client credentials, nor a note that they were deleted.
        StoreError: a record cannot be read or written; what was copied before stays, and the copy can be run again.
    """
    return _written(target, _credentials_in(source), overwrite)


def export_credentials(store: Store, path: str | os.PathLike[str]) -> int:
    """Write all client credentials of a store to a new file that only its owner can read; return how many.

    The file holds secrets in plain text, whatever the store: keep it as you would keep a password.

    Raises:
        ConfigurationError: the file exists already, or cannot be written to its end; or the store has no client
            credentials, nor a note that they were deleted. Then there is no new file.
        StoreError: a record cannot be read; then there is none either.
    """
    count = -2  # the first line and the last one are no records
    with _new_file(path_of(path, "path")) as write_line:
        for line in export_lines(store):
            write_line(line)
            count += 1
    return count


def export_lines(store: Store) -> Iterator[str]:
    """Yield the lines of an export of all client credentials of a store, each without its line end, as they are read.

    They hold secrets in plain text. Without the last one an export is not taken for whole.

    Raises:
        ConfigurationError: the store has no client credentials, nor a note that they were deleted.
        StoreError: a record cannot be read.
    """
    yield json.dumps(_HEADING)
    count = 0
    for key, data in _credentials_in(store):
        yield json.dumps({"key": key, "record": data.decode()})
        count += 1
    yield json.dumps({"records": count})


def import_credentials(store: Store, path: str | os.PathLike[str] | TextIO, *, overwrite: bool = False) -> Transferred:
    """Read client credentials from a file that `export_credentials` wrote, into a store.

    Parameters:
        path: the file, or one that is open for reading text, such as ``sys.stdin``.
        overwrite: whether credentials of the store that differ give way; they are kept aside.

    Raises:
        ConfigurationError: there is no such file, it is not an export, or it is cut short; the line is named. What was
            written before stays, which is nothing if the file is none of ours from its beginning.
        StoreError: a record is damaged or cannot be written; what was written before stays.
    """
    records = _credentials_in_file(path if isinstance(path, io.TextIOBase) else path_of(path, "path"))
    first = list(itertools.islice(records, 1))  # a file of another kind is told before anything is made of the store
    return _written(store, itertools.chain(first, records), overwrite)


def import_client(
    store: Store, provider: Provider, instance: str, client: ClientCredentials, *, overwrite: bool = False
) -> Transferred:
    """Write the credentials of a client that was registered elsewhere, as by hand, into a store.

    Parameters:
        provider: where it is registered, and as which application.
        instance: which instance of the application it is.
        overwrite: whether other credentials that the store has of this identity give way; they are kept aside.

    Raises:
        ConfigurationError: *client* can be none.
        StoreError: it cannot be written.
    """
    key = check_client(provider, instance, client)
    return _written(store, [(key, write_credentials(key, client).data)], overwrite)


def check_client(provider: Provider, instance: str, client: ClientCredentials) -> str:
    """Return the key under which *client* is stored, if it can be one.

    Raises:
        ConfigurationError: *client* or *instance* can be none.
    """
    check_text(instance, "instance")
    key = Identity.of(*provider.anchor, instance).credentials
    if storable(key, client) is None:
        raise ConfigurationError("These can be no client credentials: id and secret are text that is not empty")
    return key


def _credentials_in(store: Store) -> Iterator[tuple[str, bytes]]:
    found = False
    for key in store.keys():
        if not is_of_credentials(key):
            continue
        found = True
        data = store.get(key)
        if data is not None and isinstance(read_credentials(key, data), StoredCredentials):
            yield key, data
    if not found:
        raise no_credentials_in(store)


def _written(store: Store, records: Records, overwrite: bool) -> Transferred:
    store.healthcheck()
    outcomes, replaced = Counter[Outcome](), set[str]()
    try:
        for key, data in records:
            outcome = write_arriving(store, key, data, overwrite=overwrite)
            outcomes[outcome] += 1
            if outcome is Outcome.REPLACED:
                replaced.add(key)
    finally:  # what comes after may be damaged
        delete_tokens(store, {identity.key for key in replaced if (identity := identity_using(key))})
    written = sum(outcomes[each] for each in (Outcome.WRITTEN, Outcome.UPDATED, Outcome.REPLACED))
    forgotten = outcomes[Outcome.FORGOTTEN]
    return Transferred(written, outcomes[Outcome.PRESENT], outcomes[Outcome.KEPT] + forgotten, forgotten)


def _credentials_in_file(source: str | io.TextIOBase) -> Iterator[tuple[str, bytes]]:
    path = source if isinstance(source, str) else str(getattr(source, "name", "The file"))
    try:
        with open(source, encoding="utf-8") if isinstance(source, str) else nullcontext(source) as file:
            _check_heading(_line(file.readline(_LONGEST_LINE), path, 1), path)
            yield from _records_in(file, path)
    except UnicodeDecodeError:
        raise ConfigurationError(f"{path}: this is not an export of dcrauth, which is text") from None
    except (OSError, ValueError) as reason:
        raise ConfigurationError(f"{path} cannot be read: {_why(reason)}") from None


def _records_in(file: TextIO | io.TextIOBase, path: str) -> Iterator[tuple[str, bytes]]:
    number = 1
    for number, line in enumerate(iter(lambda: file.readline(_LONGEST_LINE), ""), start=2):
        found = _line(line, path, number)
        if found == {"records": number - 2} and not file.readline(1):
            return
        yield _record(found, path, number)
    raise ConfigurationError(f"{path} is cut short after line {number}; get the whole file, or export again")


def _line(line: str, path: str, number: int) -> dict[str, object]:
    try:
        return json_object(line)
    except ValueError:
        by_hand = f". {_BY_HAND}" if number == 1 else ""
        raise ConfigurationError(f"{path}, line {number}: this is not an export of dcrauth{by_hand}") from None


def _check_heading(found: dict[str, object], path: str) -> None:
    if found.get("format") != _HEADING["format"]:
        raise ConfigurationError(f"{path}: this is not an export of dcrauth. {_BY_HAND}")
    if found != _HEADING:
        raise ConfigurationError(f"{path}: this is not an export of this version of dcrauth")


def _record(found: dict[str, object], path: str, number: int) -> tuple[str, bytes]:
    key, record = found.get("key"), found.get("record")
    if not (isinstance(key, str) and isinstance(record, str) and is_of_credentials(key)):
        raise ConfigurationError(f"{path}, line {number}: there are no client credentials")
    data = record.encode()
    if not isinstance(read_credentials(key, data), StoredCredentials):
        raise StoreCorrupt(f"{path}, line {number}: there are no client credentials in the record")
    return key, data


@contextmanager
def _new_file(path: str) -> Iterator[Callable[[str], None]]:
    """Make a new file and yield what writes a line to it; remove it again if it is not written to its end."""
    with told_if_unwritten(path):
        fd = os.open(path, _NEW, 0o600)
    try:
        try:
            yield partial(_write_line, fd, path)
            with told_if_unwritten(path):
                os.fsync(fd)
        finally:
            os.close(fd)
    except BaseException:
        with suppress(OSError):  # what cannot even be removed has no end, so that no import takes it for whole
            os.unlink(path)
        raise


def _write_line(fd: int, path: str, text: str) -> None:
    line = text.encode() + b"\n"
    with told_if_unwritten(path):
        while line:
            line = line[os.write(fd, line) :]


@contextmanager
def told_if_unwritten(path: str) -> Iterator[None]:
    """Turn what the operating system says of a new file into an error that says what to do."""
    try:
        yield
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already and is not overwritten; choose another name") from None
    except (OSError, ValueError) as reason:
        raise ConfigurationError(f"{path} cannot be written: {_why(reason)}; choose another place") from None


def _why(reason: Exception) -> str:
    return getattr(reason, "strerror", None) or type(reason).__name__
