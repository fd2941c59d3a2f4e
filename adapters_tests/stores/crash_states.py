"""A disk that remembers what was done to it, and every state in which a power failure can leave it.

What a power failure spares is what was waited for: a file's content after an fsync of the file, a directory's names
after an fsync of the directory. All else is there or not, each by itself: the names in any combination, whatever the
order they were made in, and of a file's content nothing, the first half, or all.
"""

from __future__ import annotations

import copy
import itertools
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dcrauth.stores._disk import Disk, Folder

Tree = tuple[tuple[str, "bytes | Tree"], ...]
"""A directory's names, in order, each with a file's content or another directory."""


class Killed(BaseException):
    """The process was killed here: what it still wants to do is not done, not even the cleaning up."""


@dataclass
class File:
    """A file: what may be its content after a power failure; what it is now comes last.

    Parameters:
        matters: whether anything depends on its content, which else is not combined with all other doubts.
    """

    contents: list[bytes] = field(default_factory=lambda: [b""])
    matters: bool = True


@dataclass
class Directory:
    """A directory: for each name, what it may mean after a power failure (None: nothing); what it means now is last.

    Parameters:
        matters: whether anything depends on what is in it, as for a file.
    """

    names: dict[str, list[File | Directory | None]] = field(default_factory=dict)
    matters: bool = True

    def now(self, name: str) -> File | Directory | None:
        return self.names.get(name, [None])[-1]

    def let(self, name: str, meaning: File | Directory | None) -> None:
        others = [each for each in self.names.get(name, [None]) if each is not meaning]
        self.names[name] = [*others, meaning]


@dataclass(frozen=True)
class Moment:
    """What is on its way to the disk after some call, and what the callers had been promised by then."""

    root: Directory
    promised: frozenset[str]


class Drive:
    """What a `RecordingDisk` has done below *base*, which is there for good.

    Parameters:
        base: a directory that exists, and is empty.
    """

    def __init__(self, base: Path) -> None:
        self.base = base
        self.moments: list[Moment] = []
        self._root = Directory()
        self._promised: frozenset[str] = frozenset()

    def start(self) -> None:
        """Take all that was done so far for durable, and watch from here on."""
        _sync_all(self._root)
        self.moments = []
        self.note()

    def promise(self, what: str) -> None:
        """Note that a caller has now been told *what*."""
        self._promised |= {what}
        self.note()

    def note(self) -> None:
        """Keep this moment, as one at which the power may fail."""
        self.moments.append(copy.deepcopy(Moment(self._root, self._promised)))

    def directory(self, path: str) -> Directory:
        """Return what the directory *path* is to the model."""
        found: Any = self._root
        for name in Path(path).relative_to(self.base).parts:
            found = found.now(name)
        assert isinstance(found, Directory), path
        return found

    def states(self) -> Iterator[tuple[Tree, frozenset[str]]]:
        """Yield each state that a power failure can leave, once, with what had been promised before it."""
        seen = set()
        for moment in self.moments:
            for tree in _outcomes(moment.root):
                if (tree, moment.promised) not in seen:
                    seen.add((tree, moment.promised))
                    yield tree, moment.promised


class RecordingDisk(Disk):
    """A real disk that tells a `Drive` of all that it does.

    Parameters:
        drive: whom to tell; disks of several processes may share one.
        last: after how many effects the process is killed.
    """

    def __init__(self, drive: Drive, last: float = float("inf")) -> None:
        super().__init__()
        self.drive, self.last, self.done = drive, last, 0
        self._open: dict[int, File] = {}
        self._matters = True

    def _alive(self) -> None:
        if self.done >= self.last:
            raise Killed

    def _did(self) -> None:
        self.done += 1
        self.drive.note()

    def make_folder(self, within: Folder, name: str) -> None:
        self._alive()
        missing = self.status(within, name) is None
        super().make_folder(within, name)
        if missing:
            self.drive.directory(within.path).let(name, Directory(matters=name != "new"))
            self._did()

    def make_file(self, folder: Folder, name: str) -> int:
        self._alive()
        fd = super().make_file(folder, name)
        self._open[fd] = File(matters=self._matters)
        self.drive.directory(folder.path).let(name, self._open[fd])
        self._did()
        return fd

    def create(self, folder: Folder, name: str, content: bytes, *, durable: bool) -> None:
        self._matters = durable
        super().create(folder, name, content, durable=durable)

    def write(self, fd: int, content: bytes) -> None:
        self._alive()
        super().write(fd, content)
        self._open[fd].contents += [content[: len(content) // 2], content]
        self._did()

    def sync_file(self, fd: int) -> None:
        self._alive()
        super().sync_file(fd)
        _sync_file(self._open[fd])
        self._did()

    def sync(self, folder: Folder) -> None:
        self._alive()
        super().sync(folder)
        _sync_directory(self.drive.directory(folder.path))
        self._did()

    def sync_path(self, path: str) -> None:
        self._alive()
        super().sync_path(path)
        if Path(path).is_relative_to(self.drive.base):
            _sync_directory(self.drive.directory(path))
            self._did()

    def link(self, source: Folder, name: str, folder: Folder, new_name: str) -> bool:
        self._alive()
        linked = super().link(source, name, folder, new_name)
        if linked:
            self.drive.directory(folder.path).let(new_name, self.drive.directory(source.path).now(name))
            self._did()
        return linked

    def rename(self, source: Folder, name: str, folder: Folder, new_name: str) -> None:
        self._alive()
        super().rename(source, name, folder, new_name)
        here, there = self.drive.directory(source.path), self.drive.directory(folder.path)
        there.let(new_name, here.now(name))
        here.let(name, None)
        self._did()

    def unlink(self, folder: Folder, name: str) -> None:
        self._alive()
        present = self.status(folder, name) is not None
        super().unlink(folder, name)
        if present:
            self.drive.directory(folder.path).let(name, None)
            self._did()


class HastyDisk(Disk):
    """A disk that waits for nothing: for tests that only look."""

    def sync_path(self, path: str) -> None:
        """Do nothing."""

    def sync_file(self, fd: int) -> None:
        """Do nothing."""

    def sync(self, folder: Folder) -> None:
        """Do nothing."""


def build(tree: Tree, path: Path) -> None:
    """Make *tree* at *path*, with the permissions that the store gives."""
    path.mkdir(0o700)
    for name, content in tree:
        if isinstance(content, bytes):
            with open(os.open(path / name, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
                file.write(content)
        else:
            build(content, path / name)


def _outcomes(root: Directory) -> Iterator[Tree]:
    """Yield what may be left of *root*; some of it more than once."""
    doubts: list[list[Any]] = []
    for each in _everything(root):
        possible = [each.contents] if isinstance(each, File) else list(each.names.values())
        doubts += possible if each.matters else []
        for one in [] if each.matters else possible:
            yield from (_tree(root, {id(one): chosen}) for chosen in one)
    doubts = [possible for possible in doubts if len(possible) > 1]
    for combination in itertools.product(*doubts):
        yield _tree(root, {id(possible): chosen for possible, chosen in zip(doubts, combination, strict=True)})


def _everything(root: Directory) -> list[File | Directory]:
    """Return each file and directory that *root* may contain, once."""
    found: dict[int, File | Directory] = {}

    def visit(each: File | Directory | None) -> None:
        if each is None or id(each) in found:
            return
        found[id(each)] = each
        if isinstance(each, Directory):
            for meanings in each.names.values():
                for meaning in meanings:
                    visit(meaning)

    visit(root)
    return list(found.values())


def _tree(directory: Directory, chosen: dict[int, Any]) -> Tree:
    def what(possible: list[Any]) -> Any:
        return chosen.get(id(possible), possible[-1])

    present = ((name, what(meanings)) for name, meanings in sorted(directory.names.items()))
    return tuple(
        (name, what(each.contents) if isinstance(each, File) else _tree(each, chosen))
        for name, each in present
        if each is not None
    )


def _sync_file(file: File) -> None:
    file.contents[:] = file.contents[-1:]


def _sync_directory(directory: Directory) -> None:
    for meanings in directory.names.values():
        meanings[:] = meanings[-1:]


def _sync_all(root: Directory) -> None:
    for each in _everything(root):
        if isinstance(each, File):
            _sync_file(each)
        else:
            _sync_directory(each)
