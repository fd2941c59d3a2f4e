"""What the transports of blocking HTTP libraries have in common: a call takes a connection, and gives it back."""

import ssl
from abc import abstractmethod
from typing import ClassVar, cast
from urllib.parse import urlsplit

from dcrauth._internal import fork
from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._connections import Connection, KeptConnections, Way
from dcrauth.transports._deadlines import DEADLINES
from dcrauth.transports._intake import Intake, is_lost
from dcrauth.transports._options import TransportOptions, speaks_tls


class BlockingTransport(TransportOptions):
    """Sends each call over a connection of its own, new or kept."""

    _faults: ClassVar[tuple[type[Exception], ...]]
    """What the HTTP library raises if a call fails."""

    _endings: ClassVar[tuple[type[Exception], ...]] = ()
    """What it raises where a connection has ended, beside the usual ones."""

    def send(self, request: Request) -> Response:
        """Return the answer to *request*.

        Raises:
            ServerUnavailable: there was none, or not in time, or it cannot be read.
        """
        intake = Intake(request, self.total_timeout)
        try:
            return self._send(request, intake)
        except self._faults as reason:
            failure = intake.fault(reason)
        raise failure

    def _send(self, request: Request, intake: Intake) -> Response:
        way = self._way(request.url)
        if request.repeatable and (connection := self._kept.take(way)) is not None:
            answer = self._post_unless_dead(connection, request, intake)
            if answer is not None:
                return answer
        connection = self._connection(way)
        self._kept.add(connection)
        return self._post(connection, request, intake)

    def _post_unless_dead(self, connection: Connection, request: Request, intake: Intake) -> Response | None:
        """Return the answer; None if the server has closed the connection meanwhile, without a byte of one."""
        try:
            return self._post(connection, request, intake)
        except self._faults as reason:
            if not (connection.watch.turned_out_dead and is_lost(reason, self._endings)):
                raise
        return None

    def _post(self, connection: Connection, request: Request, intake: Intake) -> Response:
        connection.watch.begin(DEADLINES.clock() + intake.left)
        deadline = DEADLINES.set(intake.left, connection.watch.cut)
        try:
            answer = connection.post(request, intake, (self.connect_timeout, self.read_timeout))
        except BaseException:
            DEADLINES.call_off(deadline)
            self._kept.drop(connection)
            raise
        DEADLINES.call_off(deadline)
        self._kept.give(connection)
        return answer

    @property
    def _kept(self) -> KeptConnections:
        return cast("KeptConnections", self._shared.kept)

    def _way(self, url: str) -> Way:
        proxy = self.proxy_for(url)
        for_proxies = self.tls_context(own_certificate=False) if proxy and speaks_tls(proxy) else None
        parts = urlsplit(url)
        return Way(f"{parts.scheme}://{parts.netloc}", proxy, self._context(url), for_proxies, self._fabric())

    def _connection(self, way: Way) -> Connection:
        """Return a connection that is not yet open."""
        with fork.undivided():  # the first time, the library imports much of itself
            return self._new_connection(way)

    @abstractmethod
    def _new_connection(self, way: Way) -> Connection:
        """Make a connection of the library's."""

    @abstractmethod
    def _context(self, url: str) -> ssl.SSLContext:
        """The TLS context for *url*."""

    @abstractmethod
    def _fabric(self) -> tuple[object, ...]:
        """What makes the library's connections, so that none goes around a test that mocks it later on."""
