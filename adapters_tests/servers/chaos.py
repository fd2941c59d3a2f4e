"""A TCP proxy on loopback that breaks connections on purpose, always in the same way for the same seed.

    with ChaosProxy(server_url, seed=1) as proxy:
        proxy.toxics = (Reset(after=20),)

What a toxic does holds for connections that are open already, too, and ends with ``proxy.calm()``. Each direction of a
connection has a random number generator of its own, seeded by the proxy's seed, the number of the connection and the
direction: what happens to one connection does not depend on the others.
"""

from __future__ import annotations

import contextlib
import random
import select
import socket
import struct
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, Self
from urllib.parse import urlsplit

Direction = Literal["request", "answer"]

_CHUNK = 65_536
_GLANCE = 0.01
_PATIENCE = 10.0


class Snap(Exception):
    """The connection ends here.

    Parameters:
        how: "reset" (RST), "close" (FIN, both ways) or "half" (FIN, this way only).
    """

    def __init__(self, how: Literal["reset", "close", "half"]) -> None:
        super().__init__(how)
        self.how = how


@dataclass(frozen=True, kw_only=True)
class Toxic:
    """Something that goes wrong with what travels in one direction.

    Parameters:
        direction: "answer" for what the client receives, "request" for what it sends.
        share: part of the connections that are struck, drawn by the seed.
    """

    direction: Direction = "answer"
    share: float = 1.0

    def pieces(self, chunk: bytes, line: Line) -> Iterator[bytes]:
        """Yield what becomes of *chunk*; raise `Snap` to end the connection."""
        yield chunk


@dataclass(frozen=True, kw_only=True)
class Latency(Toxic):
    """Each chunk comes later by *seconds*, and by up to *jitter* seconds more."""

    seconds: float
    jitter: float = 0.0

    def pieces(self, chunk: bytes, line: Line) -> Iterator[bytes]:
        line.pause(self.seconds + line.chance.random() * self.jitter)
        yield chunk


@dataclass(frozen=True, kw_only=True)
class Bandwidth(Toxic):
    """No more than *rate* bytes a second, in portions of a fiftieth of a second."""

    rate: int

    def pieces(self, chunk: bytes, line: Line) -> Iterator[bytes]:
        size = max(1, self.rate // 50)
        for start in range(0, len(chunk), size):
            yield chunk[start : start + size]
            line.pause(size / self.rate)


@dataclass(frozen=True, kw_only=True)
class Drip(Toxic):
    """One byte at a time from the *after*-th on, with *seconds* before each."""

    seconds: float
    after: int = 0

    def pieces(self, chunk: bytes, line: Line) -> Iterator[bytes]:
        at_once = max(0, self.after - line.passed)
        yield chunk[:at_once]
        for value in chunk[at_once:]:
            line.pause(self.seconds)
            yield bytes([value])


@dataclass(frozen=True, kw_only=True)
class _Ending(Toxic):
    """The connection ends after so many bytes."""

    after: int = 0

    def pieces(self, chunk: bytes, line: Line) -> Iterator[bytes]:
        left = max(0, self.after - line.passed)
        if left > len(chunk):
            yield chunk
            return
        yield chunk[:left]
        raise self._snap()

    def _snap(self) -> Snap:
        raise NotImplementedError


class Reset(_Ending):
    """The connection is reset (RST) after so many bytes."""

    def _snap(self) -> Snap:
        return Snap("reset")


class Truncation(_Ending):
    """The connection is closed in both directions after so many bytes."""

    def _snap(self) -> Snap:
        return Snap("close")


class HalfClose(_Ending):
    """This direction is closed after so many bytes; the other one stays open."""

    def _snap(self) -> Snap:
        return Snap("half")


@dataclass(frozen=True, kw_only=True)
class Garbage(Toxic):
    """*length* bytes from the *after*-th on are replaced by random ones."""

    after: int = 0
    length: int = 16

    def pieces(self, chunk: bytes, line: Line) -> Iterator[bytes]:
        start = min(len(chunk), max(0, self.after - line.passed))
        end = min(len(chunk), max(0, self.after + self.length - line.passed))
        yield chunk[:start] + line.chance.randbytes(max(0, end - start)) + chunk[max(start, end) :]


class Line:
    """One direction of one connection.

    Parameters:
        number: that of the connection, from 0.
    """

    def __init__(self, proxy: ChaosProxy, number: int, direction: Direction) -> None:
        self.chance = random.Random(f"{proxy.seed} {number} {direction}")
        self.passed = 0
        self._proxy = proxy
        self._direction = direction
        self._lot = self.chance.random()

    def pause(self, seconds: float) -> None:
        """Wait, unless the proxy calms down or stops meanwhile."""
        self._proxy.disturbed_for(seconds)

    def carry(self, chunk: bytes, target: socket.socket) -> None:
        """Send on what the toxics leave of *chunk*."""
        pieces: Iterable[bytes] = [chunk]
        for toxic in self._toxics():
            pieces = self._through(toxic, pieces)
        for piece in pieces:
            if piece:
                target.sendall(piece)
                self.passed += len(piece)

    def _toxics(self) -> list[Toxic]:
        found = [each for each in self._proxy.toxics if each.direction == self._direction and self._lot < each.share]
        self._proxy.strikes += bool(found)
        return found

    def _through(self, toxic: Toxic, pieces: Iterable[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            yield from toxic.pieces(piece, self)


class ChaosProxy:
    """Takes connections and passes them on, with whatever goes wrong on the way; use it with ``with``.

    Parameters:
        url: the server behind it.
        seed: what is random is the same for the same seed.
    """

    def __init__(self, url: str, *, seed: int = 0) -> None:
        parts = urlsplit(url)
        self.seed = seed
        self.strikes = 0
        self.connections = 0
        self._target = (parts.hostname or "", parts.port or 80)
        self._toxics: tuple[Toxic, ...] = ()
        self._calm = threading.Event()
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._open: set[threading.Event] = set()
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *reason: object) -> None:
        self._stopped.set()
        self.calm()
        for thread in self._threads:
            thread.join(_PATIENCE)
        self._listener.close()
        assert not any(thread.is_alive() for thread in self._threads)

    @property
    def toxics(self) -> tuple[Toxic, ...]:
        """What goes wrong at present."""
        return self._toxics

    @toxics.setter
    def toxics(self, toxics: tuple[Toxic, ...]) -> None:
        self._calm.clear()
        self._toxics = toxics

    def calm(self) -> None:
        """Let everything go right from now on, and end all pauses."""
        self._toxics = ()
        self._calm.set()

    def hang_up(self) -> None:
        """Close all connections, and return when they are closed."""
        for over in list(self._open):
            over.set()
        for thread in self._threads[1:]:
            thread.join(_PATIENCE)

    def disturbed_for(self, seconds: float) -> None:
        """Wait for so long, unless it becomes calm."""
        self._calm.wait(min(seconds, _PATIENCE))

    def _start(self, work: object, *arguments: object) -> threading.Thread:
        thread = threading.Thread(target=work, args=arguments, name="chaos")  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()
        return thread

    def _accept(self) -> None:
        while not self._stopped.is_set():
            if _readable(self._listener):
                client, _ = self._listener.accept()
                self._start(self._connected, client, self.connections)
                self.connections += 1

    def _connected(self, client: socket.socket, number: int) -> None:
        """Serve one connection to its end."""
        with client:
            try:
                server = socket.create_connection(self._target, _PATIENCE)
            except OSError:
                return
            with server:
                self._serve(client, server, number)

    def _serve(self, client: socket.socket, server: socket.socket, number: int) -> None:
        over = threading.Event()
        self._open.add(over)
        for each in (client, server):
            each.settimeout(_PATIENCE)
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sending = self._start(self._pump, client, server, Line(self, number, "request"), over)
        self._pump(server, client, Line(self, number, "answer"), over)
        sending.join()
        self._open.discard(over)

    def _pump(self, source: socket.socket, target: socket.socket, line: Line, over: threading.Event) -> None:
        """Carry one direction until it ends, or the whole connection does."""
        try:
            while not over.is_set() and not self._stopped.is_set():
                if _readable(source):
                    chunk = source.recv(_CHUNK)
                    if not chunk:
                        return self._end("half", source, target, over)
                    line.carry(chunk, target)
        except Snap as snap:
            self._end(snap.how, source, target, over)
        except OSError:
            over.set()
        return None

    def _end(self, how: str, source: socket.socket, target: socket.socket, over: threading.Event) -> None:
        if how == "half":
            with contextlib.suppress(OSError):  # it has been closed by the other side
                target.shutdown(socket.SHUT_WR)
            return
        if how == "reset":
            for each in (source, target):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        over.set()


def _readable(source: socket.socket) -> bool:
    return bool(select.select([source], [], [], _GLANCE)[0])
