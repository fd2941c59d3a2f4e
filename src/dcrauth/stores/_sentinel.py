"""Marks that a store leaves outside of what it keeps, so that one that has lost its records is not taken for a new one.

An empty store means a registration, and a registration logs end users out. So a store that was in use and holds nothing
any more is an error until somebody says that it is meant to start anew, which they do by removing the marks.
"""

import json
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass

from dcrauth._internal.strict_json import json_object
from dcrauth.errors import StoreLost, StoreTooNew
from dcrauth.stores._disk import Disk, Folder, told

SCHEMA = 1


@dataclass(frozen=True)
class Sentinel:
    """The marks of one store.

    Parameters:
        name: what the store is called in messages.
        places: paths of the marks, each outside of what it watches over.
    """

    name: str
    places: tuple[str, ...]

    def found(self) -> list[str]:
        """Return where marks of ours stand."""
        return [path for path in self.places if _stands(path)]

    def check(self) -> None:
        """Raise `dcrauth.StoreLost` if a mark stands; called by a store that finds that it holds nothing at all."""
        if marks := self.found():
            raise StoreLost(
                f"{self.name} was in use before and has lost its records; nothing was registered in their place. "
                f"Restore it from a backup; or, to start anew (which logs end users out), remove {' and '.join(marks)}"
            )

    def write(self, disk: Disk) -> None:
        """Leave marks where there are none; a place that cannot be written to does without."""
        for path in self.places:
            try:
                self._write(disk, path)
            except OSError:
                continue  # the directory above is often somebody else's: the mark there is one more than is needed

    def _write(self, disk: Disk, path: str) -> None:
        if os.path.lexists(path):
            return
        folder, name = os.path.split(path)
        fd = os.open(folder, os.O_RDONLY) if os.name == "posix" else None
        try:
            make_mark(disk, Folder(folder, fd), name)
            disk.sync(Folder(folder, fd))
        finally:
            if fd is not None:
                os.close(fd)


def make_mark(disk: Disk, folder: Folder, name: str) -> None:
    """Make one mark unless there is one; a sync of the folder makes it last, whoever has made it."""
    content = {"format": "dcrauth", "schema": SCHEMA, "created_at": time.time()}
    with suppress(FileExistsError):
        # That it is there is what counts: nothing is lost with its content.
        disk.create(folder, name, json.dumps(content).encode() + b"\n", durable=False)


def check_mark(content: bytes, where: str) -> None:
    """Raise `dcrauth.StoreTooNew` if a later version of dcrauth has laid out the store."""
    try:
        schema = json_object(content).get("schema")
    except ValueError:
        return  # cut short when it was written: that it is there is what counts
    if isinstance(schema, int) and schema > SCHEMA:
        raise StoreTooNew(f"{where} was laid out by a later version of dcrauth (schema {schema}); upgrade")


def _stands(path: str) -> bool:
    """Whether there is a file of our own: anybody else's, in a directory that others can write to, says nothing."""
    with told(f"look for {path}"):
        try:
            found = os.lstat(path)
        except FileNotFoundError:
            return False
    return stat.S_ISREG(found.st_mode) and (os.name != "posix" or found.st_uid == os.geteuid())
