"""Moving client credentials from one store to another, so that a change of store logs nobody out.

Only credentials travel, along with those that were replaced; tokens are had anew. Nothing is overwritten unless that is
asked for, and then the old pair is kept aside. To move the same credentials twice does no harm.
"""

import itertools
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TextIO

from dcrauth._arguments import path_of
from dcrauth._strict import json_object
from dcrauth.errors import ConfigurationError, StoreCorrupt, StoreUnavailable
from dcrauth.identity import Identity, identity_using, is_of_credentials
from dcrauth.records import Forgotten, StoredCredentials, read_credentials, write_credentials
from dcrauth.stores import Store

_HEADING = {"format": "dcrauth-export", "schema": 1}

Records = Iterable[tuple[str, bytes]]


@dataclass(frozen=True)
class Transferred:
    """How a transfer went, in numbers of identities and of pairs that were kept aside.

    Parameters:
        written: were not in the target store, or were overwritten as asked.
        present: were there already, the same.
        kept: were there already, different ones, and were left as they are.
    """

    written: int
    present: int
    kept: int


def copy_credentials(source: Store, target: Store, *, overwrite: bool = False) -> Transferred:
    """Copy all client credentials from one store to another.

    Parameters:
        overwrite: whether credentials of the target that differ give way; they are kept aside.

    Raises:
        StoreError: a record cannot be read or written; what was copied before stays, and the copy can be run again.
    """
    return _written(target, _credentials_in(source), overwrite)


def export_credentials(store: Store, path: str | os.PathLike[str]) -> int:
    """Write all client credentials of a store to a new file that only its owner can read; return how many.

    The file holds secrets in plain text, whatever the store: keep it as you would keep a password.

    Raises:
        ConfigurationError: the file exists already, or cannot be written.
        StoreError: a record cannot be read; then there is no file.
    """
    count = 0
    with _new_file(path_of(path, "path")) as file:
        print(json.dumps(_HEADING), file=file)
        for key, data in _credentials_in(store):
            print(json.dumps({"key": key, "record": data.decode()}), file=file)
            count += 1
    return count


def import_credentials(store: Store, path: str | os.PathLike[str], *, overwrite: bool = False) -> Transferred:
    """Read client credentials from a file that `export_credentials` wrote, into a store.

    Parameters:
        overwrite: whether credentials of the store that differ give way; they are kept aside.

    Raises:
        ConfigurationError: there is no such file, or it is not an export; the line is named.
        StoreError: a record is damaged or cannot be written; what was written before stays.
    """
    return _written(store, _credentials_in_file(path_of(path, "path")), overwrite)


def _credentials_in(store: Store) -> Iterator[tuple[str, bytes]]:
    for key in store.keys():
        if not is_of_credentials(key):
            continue
        data = store.get(key)
        if data is not None and isinstance(read_credentials(key, data), StoredCredentials):
            yield key, data


def _written(store: Store, records: Records, overwrite: bool) -> Transferred:
    store.healthcheck()
    outcomes = Counter(_write(store, key, data, overwrite) for key, data in records)
    return Transferred(outcomes["written"], outcomes["present"], outcomes["kept"])


def _write(store: Store, key: str, data: bytes, overwrite: bool) -> str:
    arriving = read_credentials(key, data)
    assert isinstance(arriving, StoredCredentials)  # noqa: S101  # whoever gives records here has left out all others
    if store.add(key, data):
        return "written"
    found = _present(store, key)
    if isinstance(found, StoredCredentials) and found.credentials == arriving.credentials:
        return "present"
    identity = identity_using(key)
    if not overwrite or identity is None:
        return "kept"
    if isinstance(found, StoredCredentials):
        _keep_aside(store, identity, found)
    # Of a later generation than what it replaces: so no process puts the old pair back, taking it for lost.
    successor = write_credentials(key, arriving.credentials, found.generation + 1)
    if not store.replace(key, successor.data, expected=found.data):
        raise StoreUnavailable("Client credentials were replaced by another process meanwhile; run the transfer again")
    return "written"


def _keep_aside(store: Store, identity: Identity, client: StoredCredentials) -> None:
    """Keep a copy of credentials that are about to be replaced, in the first place that no other copy has taken."""
    for place in itertools.count(client.generation):
        aside = identity.replaced(place)
        copy = write_credentials(aside, client.credentials, client.generation).data
        if store.add(aside, copy) or store.get(aside) == copy:
            return


def _present(store: Store, key: str) -> StoredCredentials | Forgotten:
    data = store.get(key)
    if data is None:
        raise StoreUnavailable("A record came and went during the transfer; run it again when nobody else is writing")
    return read_credentials(key, data)


def _credentials_in_file(path: str) -> Iterator[tuple[str, bytes]]:
    try:
        with open(path, encoding="utf-8") as file:
            _check_heading(_line(file.readline(), path, 1), path)
            for number, line in enumerate(file, start=2):
                yield _record(_line(line, path, number), path, number)
    except (OSError, ValueError) as reason:
        raise ConfigurationError(f"{path} cannot be read: {type(reason).__name__}") from None


def _line(line: str, path: str, number: int) -> dict[str, object]:
    try:
        return json_object(line)
    except ValueError:
        raise ConfigurationError(f"{path}, line {number}: this is not an export of dcrauth") from None


def _check_heading(found: dict[str, object], path: str) -> None:
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
def _new_file(path: str) -> Iterator[TextIO]:
    """Open a new file for writing; remove it again if it is not written to its end."""
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except FileExistsError:
        raise ConfigurationError(f"{path} exists already and is not overwritten; choose another name") from None
    except OSError as reason:
        raise ConfigurationError(f"{path} cannot be written: {reason.strerror}") from None
    try:
        with open(fd, "w", encoding="utf-8") as file:
            yield file
            file.flush()
            os.fsync(fd)
    except BaseException:
        os.unlink(path)
        raise
