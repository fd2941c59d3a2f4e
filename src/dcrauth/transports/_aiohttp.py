"""Sessions of aiohttp on the transport's loop, with what they lack: new connections where asked for, names in time."""

import asyncio
import socket
import ssl
import weakref
from contextvars import ContextVar
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._connections import KEPT_FOR
from dcrauth.transports._intake import Intake, is_lost
from dcrauth.transports._lookups import LOOKUPS, addresses
from dcrauth.transports._loop import LOOP_THREAD, Loop
from dcrauth.transports._options import TransportOptions
from dcrauth.transports._pool_size import POOL_SIZE
from dcrauth.transports._watch import close_descriptor


class _Exchange:
    """What is known of one attempt.

    Parameters:
        is_fresh: whether it goes over a new connection.

    Attributes:
        is_kept: whether it goes over one that an earlier attempt has opened.
        is_heard: whether a byte of the answer has come.
    """

    def __init__(self, *, is_fresh: bool) -> None:
        self.is_fresh = is_fresh
        self.is_kept = self.is_heard = False


_exchange: ContextVar[_Exchange] = ContextVar("dcrauth.transports.aiohttp.exchange")
"""That of a task."""


class _Protocol(ResponseHandler):
    """A connection that tells each exchange what it has to know.

    Parameters:
        session: what it belongs to.
    """

    def __init__(self, session: "Session") -> None:
        super().__init__(loop=session.loop)
        self._session = session
        self._is_used = False
        self._told: _Exchange | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note that it is open."""
        super().connection_made(transport)
        self._session.protocols.add(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Note that it is closed."""
        self._session.protocols.discard(self)
        super().connection_lost(exc)

    def set_response_params(self, **params: Any) -> None:
        """Begin an exchange."""
        self._told = _exchange.get(None)
        if self._told is not None:
            self._told.is_kept = self._is_used
        self._is_used = True
        if not self._session.keeps_connections:
            self.force_close()
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Take a part of the answer."""
        if self._told is not None:
            self._told.is_heard, self._told = True, None
        super().data_received(data)


class _Connector(aiohttp.TCPConnector):
    """Gives a new connection to an exchange that is to have one; aiohttp has no public way to ask for that.

    Parameters:
        session: what it belongs to.
        options: of aiohttp's.
    """

    def __init__(self, session: "Session", **options: Any) -> None:
        super().__init__(limit=0, use_dns_cache=False, keepalive_timeout=KEPT_FOR, **options)
        self._session = session
        self._factory = lambda: _Protocol(session)  # type: ignore[assignment]

    async def _get(self, *given: Any, **named: Any) -> Any:
        exchange = _exchange.get(None)
        if self._session.is_mocked or (exchange is not None and exchange.is_fresh):
            return None
        return await super()._get(*given, **named)


class _Resolver(AbstractResolver):
    """Looks names up in time."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Return the addresses of *host*."""
        outcome = LOOKUPS.begin(host, port)
        try:
            found = addresses(await asyncio.wait_for(asyncio.wrap_future(outcome), self._seconds))
        except TimeoutError:
            failure = LOOKUPS.abandoned(host, port, outcome, self._seconds)
        else:
            return [_resolved(host, port, each) for each in found if family in {each[0], socket.AF_UNSPEC}]
        raise failure

    async def close(self) -> None:
        """There is nothing to close."""


def _resolved(host: str, port: int, found: tuple[Any, ...]) -> ResolveResult:
    address = str(found[4][0])
    return ResolveResult(
        hostname=host, host=address, port=port, family=found[0], proto=found[2], flags=socket.AI_NUMERICHOST
    )


class Session:
    """A session on a loop, for all transports with equal options.

    Parameters:
        loop: which loop.
        connect_timeout: seconds for a name to be looked up.
    """

    def __init__(self, loop: Loop, connect_timeout: float) -> None:
        self.loop = loop
        self.protocols: set[_Protocol] = set()
        self._sockets: weakref.WeakSet[socket.socket] = weakref.WeakSet()
        self._socket_class = socket.socket
        self._calls = 0
        self._is_over = False
        self._session = aiohttp.ClientSession(
            connector=_Connector(self, resolver=_Resolver(connect_timeout), socket_factory=self._new_socket),
            cookie_jar=aiohttp.DummyCookieJar(loop=loop),
            auto_decompress=False,
        )

    @property
    def is_mocked(self) -> bool:
        """Whether a test has put something in the place of sockets, so that nothing may go around it."""
        return socket.socket is not self._socket_class

    @property
    def keeps_connections(self) -> bool:
        """Whether the connections that are in use are kept after it."""
        return len(self.protocols) <= POOL_SIZE.most and not self.is_mocked

    def _new_socket(self, address: Any) -> socket.socket:
        made = socket.socket(*address[:3])
        self._sockets.add(made)
        return made

    async def post(self, call: "Post") -> Response:
        """Send a request, once more if its connection turns out dead."""
        self._calls += 1
        try:
            if call.request.repeatable:
                answer = await self._post_unless_dead(call)
                if answer is not None:
                    return answer
            _exchange.set(_Exchange(is_fresh=True))
            return await call.over(self._session)
        finally:
            self._calls -= 1
            if self._is_over:
                await self.close()

    async def _post_unless_dead(self, call: "Post") -> Response | None:
        exchange = _Exchange(is_fresh=False)
        _exchange.set(exchange)
        try:
            return await call.over(self._session)
        except (aiohttp.ClientError, OSError) as reason:
            if not exchange.is_kept or exchange.is_heard or not is_lost(reason, (aiohttp.ServerDisconnectedError,)):
                raise
        return None

    async def close(self) -> None:
        """Close it as soon as no call goes over it."""
        self._is_over = True
        if self._calls == 0:
            await self._session.close()
            for each in list(self.protocols):
                each.abort()
            await asyncio.sleep(0)  # so that what was aborted is closed
            await asyncio.sleep(0)

    def let_go(self) -> None:
        """Close the descriptors, in a forked child, and nothing else."""
        for each in list(self._sockets):
            close_descriptor(each)
        for protocol in self.protocols:
            _silence(protocol.transport)
        if self._session.connector is not None:
            self._session.connector._closed = True
        self._session.detach()


def _silence(transport: Any) -> None:
    """Have asyncio say nothing when a transport is collected that was never closed."""
    if transport is None:
        return
    beneath = getattr(getattr(transport, "_ssl_protocol", None), "_transport", None)
    if beneath is not None:
        transport._closed = True
        beneath._sock = None
    else:
        transport._sock = None


class KeptSession:
    """Where the session of all transports with equal options is kept: on the loop, under a key.

    Attributes:
        key: the key; no number, which another one could have later.
    """

    def __init__(self) -> None:
        self.key = object()

    def empty(self) -> None:
        """Close them."""
        LOOP_THREAD.close(self.key)

    close = empty


class Post:
    """One call, and the way that it goes.

    Parameters:
        request: what is sent.
        intake: takes the answer in.
        options: of the transport.
        proxy: the proxy, if any.
        context: whom to trust, and what to show.
    """

    def __init__(
        self, request: Request, intake: Intake, options: TransportOptions, proxy: str | None, context: ssl.SSLContext
    ) -> None:
        self.request = request
        self._intake, self._options, self._proxy, self._context = intake, options, proxy, context

    async def over(self, session: aiohttp.ClientSession) -> Response:
        """Send it with *session*, and return the answer."""
        intake, request = self._intake, self.request
        answering = session.request(
            request.method,
            URL(request.url, encoded=True),
            data=request.body or None,
            headers=request.headers,
            allow_redirects=False,
            proxy=self._proxy,
            ssl=self._context,
            timeout=self._timeout(),
        )
        async with answering as answer:
            intake.status = answer.status
            async for part in answer.content.iter_any():
                intake.take(part)
            headers = {name.lower(): value for name, value in answer.headers.items()}
            return Response(answer.status, headers, intake.body(headers.get("content-encoding")))

    def _timeout(self) -> aiohttp.ClientTimeout:
        options = self._options
        return aiohttp.ClientTimeout(
            total=max(0.001, self._intake.left), sock_connect=options.connect_timeout, sock_read=options.read_timeout
        )
