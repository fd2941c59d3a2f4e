"""The folders of a store in files: opened so that nobody else can plant anything, made as they are needed.

They outlast a power failure from the first durable record on, and marks tell a store that was lost from a new one.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from dcrauth.stores._disk import Disk, Folder
from dcrauth.stores._ownership import WRITABLE_BY_OTHERS
from dcrauth.stores._sentinel import Sentinel, check_mark, make_mark

RECORDS, NEW, LOCKS, TRASH = "records", "new", "locks", "trash"
_MARK = "store.json"


class Folders:
    """The directory of one store, and the folders in it.

    Parameters:
        directory: its path, which leads through no link.

    Attributes:
        disk: does all that is done there.
    """

    def __init__(self, directory: str) -> None:
        self.disk = Disk()
        self._directory = directory
        above, name = os.path.split(directory)
        marks = (os.path.join(directory, _MARK), os.path.join(above, f".{name}.dcrauth"))
        self._sentinel = Sentinel(f"The store in {directory}", marks)
        self._settled: set[str] = set()
        self._root_synced = False
        self._layout_known = False

    @contextmanager
    def opened(self, *names: str) -> Iterator[Folder]:
        """Open a folder of the store in which nobody else can plant anything; raise FileNotFoundError without one."""
        with ExitStack() as open_ones:
            # The directory itself may be one that an administrator made, readable by others; what we make in it is not.
            folder = open_ones.enter_context(self.disk.folder(self._directory, forbidden=WRITABLE_BY_OTHERS))
            for name in names:
                folder = open_ones.enter_context(self.disk.folder(name, folder))
            yield folder

    @contextmanager
    def made(self, name: str) -> Iterator[Folder]:
        """Open a folder right below the directory, and make both if need be."""
        with ExitStack() as opened:
            try:
                folder = opened.enter_context(self.opened(name))
            except FileNotFoundError:
                self._make(name)
                folder = opened.enter_context(self.opened(name))
            yield folder

    def _make(self, name: str) -> None:
        self.disk.make_path(self._directory)
        with self.opened() as root:
            self.disk.make_folder(root, name)
            self._root_synced = self._root_synced and name != RECORDS
            if name == TRASH:  # what is moved there goes from its place at once
                self.disk.sync(root)

    @contextmanager
    def shard(self, name: str, *, durable: bool) -> Iterator[Folder]:
        """Open one of the 256 folders of records, and make it if need be; *durable*, so that it outlasts anything."""
        with ExitStack() as opened:
            try:
                self._settle(name, durable=durable)
                folder = opened.enter_context(self.opened(RECORDS, name))
            except FileNotFoundError:  # somebody has removed the directory while it was in use
                self._settled.clear()
                self._root_synced = False
                self._settle(name, durable=durable)
                folder = opened.enter_context(self.opened(RECORDS, name))
            yield folder

    def _settle(self, name: str, *, durable: bool) -> None:
        """Make a folder of records, and see to it that it and all above it outlast a power failure if it has to be."""
        if name in self._settled:
            return
        with self.made(RECORDS) as records:
            self.disk.make_folder(records, name)
            if durable or not self._settled:
                self._sync_records(records)

    def _sync_records(self, records: Folder) -> None:
        """See to it that the store, with the folders that it has now, outlasts a power failure, and a loss is told.

        What was there already is synced as well: whoever made it may have been killed before doing that.
        """
        self.sync_root()
        # A store that was lost is not marked anew: it takes records back, but goes on saying that it was lost.
        marking = self.disk.status(records, _MARK) is not None or not self._sentinel.found()
        if marking:
            make_mark(self.disk, records, _MARK)
        there = list(self.disk.names(records))
        self.disk.sync(records)
        if marking:  # only now: these marks without that one are what a loss looks like
            self._sentinel.write(self.disk)
        self._settled.update(there)

    def sync_root(self) -> None:
        """See to it, once, that the directory and what was made in it outlast a power failure."""
        if self._root_synced:
            return
        self.disk.sync_above(self._directory)
        with self.opened() as root:
            self.disk.sync(root)
        self._root_synced = True

    def check_not_lost(self) -> None:
        """Raise if the records that were here are gone; called where none is found."""
        # Outside first: those marks are the last ones that a store in the making gets, and that is not a lost one.
        if self._sentinel.found() and not self._marked():
            self._sentinel.check()

    def _marked(self) -> bool:
        try:
            with self.opened(RECORDS) as records:
                return self.disk.status(records, _MARK) is not None
        except FileNotFoundError:
            return False

    def check_layout(self) -> None:
        """Raise if a later version has laid out the directory; one look is enough for the life of this object."""
        if self._layout_known:
            return
        try:
            with self.opened(RECORDS) as records:
                check_mark(self.disk.read(records, _MARK), self._directory)
        except FileNotFoundError:
            return
        self._layout_known = True
