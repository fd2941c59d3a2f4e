"""The transport for users of aiohttp."""

from typing import ClassVar, cast

import aiohttp
from aiohttp.helpers import get_env_proxy_for_url
from yarl import URL

from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._aiohttp import KeptSession, Post, Session
from dcrauth.transports._intake import Intake
from dcrauth.transports._loop import LOOP_THREAD, Loop
from dcrauth.transports._options import TransportOptions, with_scheme
from dcrauth.transports._sharing import Kept

_GRACE = 5.0
"""How much longer than its own timeouts a call is waited for, in seconds, in case that the loop is stuck."""


class AiohttpTransport(TransportOptions):
    """Sends the calls of a renewal with aiohttp, on an event loop of its own."""

    _keeps: ClassVar[type[Kept]] = KeptSession

    def send(self, request: Request) -> Response:
        """Return the answer to *request*.

        Raises:
            ServerUnavailable: there was none, or not in time, or it cannot be read.
        """
        intake = Intake(request, self.total_timeout)
        try:
            post = Post(request, intake, self, self.proxy_for(request.url), self.tls_context())
            return LOOP_THREAD.run(lambda loop: self._session(loop).post(post), intake.left + _GRACE)
        except (aiohttp.ClientError, OSError) as reason:
            failure = intake.fault(reason)
        raise failure

    def close(self) -> None:
        """Close the connections that are kept, also those of other transports with equal options."""
        super().close()
        LOOP_THREAD.settle()

    def _session(self, loop: Loop) -> Session:
        key = cast("KeptSession", self._shared.kept).key
        if key not in loop.things:
            loop.things[key] = Session(loop, self.connect_timeout)
        return cast("Session", loop.things[key])

    def _environment_proxy(self, url: str) -> str | None:
        try:
            proxy, login = get_env_proxy_for_url(URL(url, encoded=True))
        except LookupError:
            return None
        except ValueError:  # it is no URL, and may hold a password
            raise aiohttp.InvalidURL("proxy") from None
        if login is not None:
            proxy = proxy.with_user(login.login).with_password(login.password)
        return with_scheme(str(proxy))
