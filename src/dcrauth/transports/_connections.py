"""Connections that are kept between the calls of all transports with equal options."""

import math
import ssl
import threading
from dataclasses import dataclass, field
from typing import Protocol

from dcrauth._internal import fork
from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._deadlines import DEADLINES
from dcrauth.transports._intake import Intake
from dcrauth.transports._pool_size import POOL_SIZE
from dcrauth.transports._watch import SocketWatch

KEPT_FOR = 4.0
"""How long a connection is kept that nobody uses, in seconds: less than the shortest that servers usually keep one."""


@dataclass(frozen=True, slots=True, repr=False)
class Way:
    """Where a connection leads, and how; a proxy may hold a password.

    Parameters:
        origin: scheme, host and port.
        proxy: URL of the proxy.
        context: whom to trust, and what to show.
        proxy_context: the same for a proxy that is reached by TLS.
        fabric: what makes the library's connections; it is another one while a test mocks them.
    """

    origin: str
    proxy: str | None
    context: ssl.SSLContext
    proxy_context: ssl.SSLContext | None
    fabric: tuple[object, ...] = field(default=())


class Connection(Protocol):
    """A connection of an HTTP library, for one call at a time."""

    way: Way
    watch: SocketWatch

    def post(self, request: Request, intake: Intake, timeouts: tuple[float, float]) -> Response:
        """Send *request*; open a connection if there is none, or the one there is was closed.

        Parameters:
            timeouts: seconds for opening a connection, and for each read.
        """
        ...

    def close(self) -> None:
        """Close it."""
        ...


class KeptConnections:
    """What nobody uses of the connections of all transports with equal options, the last one used at hand."""

    def __init__(self) -> None:
        self._is_over = False
        self._generation = 0
        self._begin()
        fork.watch(self)

    def _begin(self) -> None:
        self._lock = threading.RLock()  # the garbage collector may come in between, and close what nobody has any more
        self._idle: dict[Way, list[tuple[float, Connection]]] = {}
        self._used: dict[Connection, int] = {}
        self._is_watched = False

    def take(self, way: Way) -> Connection | None:
        """Return a connection that leads the *way*, if one is kept."""
        with self._lock:
            idle = self._idle.get(way)
            if not idle or idle[-1][0] + KEPT_FOR <= DEADLINES.clock():  # the others are older still
                return None
            connection = idle.pop()[1]
            self._used[connection] = self._generation
            return connection

    def add(self, connection: Connection) -> None:
        """Note that a new *connection* is in use."""
        with self._lock:
            self._used[connection] = self._generation

    def give(self, connection: Connection) -> None:
        """Keep *connection*, whose call has ended well."""
        surplus: Connection | None = connection
        begins = False
        with self._lock:
            generation = self._used.pop(connection, -1)
            if connection.watch.is_open and generation == self._generation and not self._is_over:
                idle = self._idle.setdefault(connection.way, [])
                idle.append((DEADLINES.clock(), connection))
                surplus = idle.pop(0)[1] if len(idle) > POOL_SIZE.most else None
                begins, self._is_watched = not self._is_watched, True
        if surplus is not None:
            surplus.close()
        if begins:
            DEADLINES.set(KEPT_FOR, self._close_old)

    def drop(self, connection: Connection) -> None:
        """Close *connection*, whose call has failed."""
        with self._lock:
            self._used.pop(connection, None)
        connection.close()

    def empty(self) -> None:
        """Close all connections that are kept; those in use are when their calls end."""
        with self._lock:
            self._generation += 1
            idle = self._take_idle(math.inf)
        for connection in idle:
            connection.close()

    def close(self) -> None:
        """Empty it and keep nothing any more: no transport is left, or the interpreter ends."""
        self._is_over = True
        self.empty()

    def after_fork(self) -> None:
        """Close the descriptors that a forked child has inherited, in silence, and begin anew."""
        inherited = [each for idle in self._idle.values() for _, each in idle] + list(self._used)
        for connection in inherited:
            connection.watch.let_go()
        self._begin()

    def _close_old(self) -> None:
        with self._lock:
            old = self._take_idle(DEADLINES.clock() - KEPT_FOR)
            oldest = min((idle[0][0] for idle in self._idle.values()), default=None)
            self._is_watched = oldest is not None
        for connection in old:
            connection.close()
        if oldest is not None:
            DEADLINES.set(max(0.0, oldest + KEPT_FOR - DEADLINES.clock()), self._close_old)

    def _take_idle(self, before: float) -> list[Connection]:
        """Take out what was not used since *before*."""
        taken = [each for idle in self._idle.values() for since, each in idle if since <= before]
        left = {way: [pair for pair in idle if pair[0] > before] for way, idle in self._idle.items()}
        self._idle = {way: idle for way, idle in left.items() if idle}
        return taken
