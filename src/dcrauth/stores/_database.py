"""One SQLite file and the one connection that a process has to it, as safe as a file of secrets has to be.

SQLite keeps notes on its open files for the whole process, locks among them, which a forked child inherits though the
locks themselves stay with the parent (sqlite.org: "How To Corrupt An SQLite Database File", 2.6). So the connection is
closed before every fork, and each side opens its own. It would also go on with a file that somebody has removed; so
each use looks whether the files are still the same.
"""

import os
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from functools import partial

from dcrauth._internal import fork
from dcrauth._internal.threads import to_the_end
from dcrauth.errors import StoreCorrupt, StoreError, StoreUnavailable
from dcrauth.stores._disk import Disk, Folder, told
from dcrauth.stores._locks import locked
from dcrauth.stores._ownership import WRITABLE_BY_OTHERS
from dcrauth.stores._sentinel import Sentinel
from dcrauth.stores._sqlite import LAYOUT, connecting, identities, is_laid_out, is_there

_WAIT = 30.0
_BRIEF_WAIT = 2.0
"""How long the writer of a disposable record waits for the others, in seconds: the record is not worth more."""

_WAIT_BEFORE_FORK = 5.0
_MOMENT = 0.001
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT}
_PASSING = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_FULL}

_inherited: list[sqlite3.Connection] = []


class Database:
    """The file at *path*, opened when it is first needed.

    Parameters:
        path: an absolute path.
        sentinel: the marks that tell that it was in use before.
    """

    def __init__(self, path: str, sentinel: Sentinel) -> None:
        self.path = path
        self._sentinel = sentinel
        self._disk = Disk()
        self._make_locks()
        self._connection: sqlite3.Connection | None = None
        self._files: object = None
        self._settled = False
        self._turns = 0
        fork.suspend(self)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """Yield the connection, or None while there is nothing to read."""
        with self._alone(), self._told("read"):
            yield self._opened()

    @contextmanager
    def writing(self, *, durable: bool, erasing: bool = False) -> Iterator[sqlite3.Connection]:
        """Yield the connection for one statement, or one transaction, while no other process writes.

        Parameters:
            durable: whether it has to be on the disk afterwards.
            erasing: whether what it removes must be nowhere in the files afterwards.

        Raises:
            StoreUnavailable: it could not be done; or it could, but *erasing* not, which can be tried again.
        """
        with told(f"write to {self.path}"):
            self._disk.make_path(os.path.dirname(self.path))
        # The file's lock first: who waits for that must not keep others from reading meanwhile.
        with self._locked(_WAIT if durable else _BRIEF_WAIT), self._mutex, self._told("write to"):
            connection = self._opened() or self._made()
            if not self._settled:
                self._settle(connection)
            connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            yield connection
            if erasing:
                self._empty_log(connection)
            elif durable:
                _checkpoint(connection)

    def is_marked(self) -> bool:
        """Return whether the file is the one that the marks speak of: not if it was made anew after a loss."""
        with self.reading() as connection:
            return connection is not None and _is_marked(connection)

    def back_up(self, path: str) -> None:
        """Write a copy to a new file that only its owner can read."""
        with self.reading() as connection:
            if connection is None:
                raise StoreUnavailable(f"There is no database in {self.path} to make a backup of")
            with told(f"write a backup to {path}"), self._disk.folder(os.path.dirname(path), forbidden=0) as folder:
                os.close(self._disk.make_file(folder, os.path.basename(path)))
                try:
                    _copy(connection, path)
                    self._disk.sync(folder)
                except sqlite3.Error as fault:
                    os.unlink(path)
                    raise StoreUnavailable(f"The store cannot write a backup to {path}: {fault}") from None
                except BaseException:
                    os.unlink(path)
                    raise

    def close(self) -> None:
        """Close the connection; the next use opens it again."""
        with ExitStack() as held:
            # Where the lock cannot be had, as on a read-only file system, SQLite's own locks have to do.
            with suppress(StoreError, OSError):
                held.enter_context(self._locked(_WAIT))
            with self._mutex, self._told("close"):
                self._let_go()

    def __del__(self) -> None:
        # Nothing is locked here: the garbage collector may have come in the middle of anything.
        if getattr(self, "_connection", None) is not None:
            self._let_go()

    def suspend(self) -> None:
        """Close the connection before a fork, and hold all other threads off until that is over."""
        self._forking = True
        self._writers.acquire(timeout=_WAIT_BEFORE_FORK)
        if self._mutex.acquire(timeout=_WAIT_BEFORE_FORK) and self._connection is not None:
            # The lock file's own locks are none of ours: an interrupt here could leave them taken.
            to_the_end(partial(self._close, _WAIT_BEFORE_FORK))

    def resume(self, *, in_child: bool) -> None:
        """Go on after a fork; once more, if an interrupt came in the middle of that."""
        if in_child:
            # A connection that is left is in use by a thread of the parent: it is the parent's, and is not closed.
            _inherited.extend([self._connection] if self._connection else [])
            self._connection, self._settled = None, False
            self._make_locks()
            return
        self._forking = False
        for lock in self._mutex, self._writers:
            with suppress(RuntimeError):  # it was waited for in vain
                lock.release()

    def _make_locks(self) -> None:
        # Which only their holders can release. That others have to wait for a fork is no event: an interrupt of who
        # forks could leave that locked for ever.
        self._mutex, self._writers = threading.RLock(), threading.RLock()
        self._forking = False

    def _let_a_fork_go_first(self) -> None:
        end = time.monotonic() + _WAIT
        while self._forking and time.monotonic() < end:
            time.sleep(_MOMENT)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep all other threads out; whoever wants to fork goes first."""
        self._let_a_fork_go_first()
        with self._mutex:
            yield

    @contextmanager
    def _told(self, doing: str) -> Iterator[None]:
        """Turn what SQLite and the operating system say into an error that says what could not be done."""
        try:
            with told(f"{doing} {self.path}"):
                yield
        except sqlite3.Error as fault:
            code = getattr(fault, "sqlite_errorcode", sqlite3.SQLITE_IOERR) & 0xFF
            if code not in _PASSING:
                self._let_go()
            raise _failure(f"{doing} {self.path}", self.path, code, fault) from None

    def _opened(self) -> sqlite3.Connection | None:
        """Return the connection to a file that is laid out, or None while there is none."""
        if self._connection is not None and self._files == identities(self.path):
            return self._connection
        self._let_go()
        with ExitStack() as opened:
            try:
                opened.enter_context(self._folder())
            except FileNotFoundError:
                return None
            # Only now: in a directory that others can write to, something else could take the file's place meanwhile.
            return self._found() if is_there(self.path, self._disk) else None

    def _found(self) -> sqlite3.Connection | None:
        with connecting(self.path, _WAIT) as connection:
            if is_laid_out(connection, self.path):
                return self._kept(connection)
            connection.close()
            return None

    def _made(self) -> sqlite3.Connection:
        """Lay the file out, and make it if need be: empty, before SQLite does, which would go by the umask."""
        with self._folder() as folder:
            if not is_there(self.path, self._disk):
                os.close(self._disk.make_file(folder, os.path.basename(self.path)))
            self._disk.sync_above(folder.path)
            self._disk.sync(folder)
        with connecting(self.path, _WAIT) as connection:
            self._lay_out(connection)
            return self._kept(connection)

    def _kept(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        connection.execute("SELECT count(*) FROM store").fetchone()  # from here on its log is there as well
        self._connection, self._files = connection, identities(self.path)
        return connection

    def _lay_out(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for statement in LAYOUT:
                connection.execute(statement)
        _checkpoint(connection)

    def _empty_log(self, connection: sqlite3.Connection) -> None:
        """Work the log off and cut it to nothing: what was removed from the file would go on to stand there."""
        connection.execute(f"PRAGMA busy_timeout = {1000 * _BRIEF_WAIT:.0f}")
        try:
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            connection.execute(f"PRAGMA busy_timeout = {1000 * _WAIT:.0f}")
        if busy:
            raise StoreUnavailable(
                f"A record was removed from {self.path}, but can still be found in {self.path}-wal, which another "
                "program reads; delete it again when that has ended"
            )

    def _settle(self, connection: sqlite3.Connection) -> None:
        """See to it that a later loss will be told, before the first write over each connection.

        The file may have been moved here, restored from a backup, or left without marks by a process that was killed.
        """
        # A store that was lost is not marked anew: it takes records back, but goes on saying that it was lost.
        if not _is_marked(connection) and not self._sentinel.found():
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("INSERT INTO store VALUES (?)", (time.time(),))
            _checkpoint(connection)
        # The row comes first, and to the disk: marks without it are what a loss looks like.
        self._sentinel.write(self._disk)
        self._settled = True

    @contextmanager
    def _folder(self) -> Iterator[Folder]:
        with self._disk.folder(os.path.dirname(self.path), forbidden=WRITABLE_BY_OTHERS) as folder:
            yield folder

    @contextmanager
    def _locked(self, wait: float) -> Iterator[None]:
        """Be the one writer, of all threads and processes."""
        self._let_a_fork_go_first()
        self._await_turn(wait)
        try:
            with ExitStack() as held:
                with told(f"lock {self.path}"):
                    held.enter_context(locked(f"{self.path}.lock", wait))
                yield
        finally:
            self._turns += 1
            self._writers.release()

    def _await_turn(self, wait: float) -> None:
        """Wait while other threads of this process write, unless one of them is stuck for *wait* seconds."""
        end, turns = time.monotonic() + _WAIT, self._turns
        while not self._writers.acquire(timeout=wait):
            if self._turns == turns or time.monotonic() > end:
                raise StoreUnavailable(
                    f"Other threads of this process have been writing to {self.path} for {wait:g} s; try again"
                )
            turns = self._turns

    def _close(self, wait: float) -> None:
        """Close the connection; SQLite may then empty its log, so no other process should write meanwhile."""
        if self._connection is not None:
            # Where the lock cannot be had, SQLite's own locks have to do.
            with suppress(StoreError, OSError), locked(f"{self.path}.lock", wait):
                self._let_go()
        self._let_go()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        self._settled = False
        if connection is not None:
            connection.close()


def _is_marked(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM store").fetchone() is not None


def _checkpoint(connection: sqlite3.Connection) -> None:
    """Move what is in the log into the file, so that losing the log alone would lose no credentials."""
    # What was written is on the disk already, in the log; a checkpoint that fails is made up for by the next one.
    with suppress(sqlite3.OperationalError):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()


def _copy(connection: sqlite3.Connection, path: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        copy.execute("PRAGMA synchronous = FULL")
        connection.backup(copy)


def _failure(doing: str, path: str, code: int, fault: sqlite3.Error) -> StoreError:
    if code in _DAMAGED:
        return StoreCorrupt(
            f"{path} is damaged or is not a database ({fault}); it was left as it is. Restore it from a backup"
        )
    return StoreUnavailable(f"The store cannot {doing}: {fault}")
