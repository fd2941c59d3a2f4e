"""The transport for users of aiohttp."""

import asyncio

import aiohttp
from aiohttp.helpers import get_env_proxy_for_url
from yarl import URL

from dcrauth.providers.protocol import Request, Response
from dcrauth.transports._options import Intake, TransportOptions, with_scheme


class AiohttpTransport(TransportOptions):
    """Sends the calls of a renewal with aiohttp, on an event loop that lives for one call on the renewal thread."""

    def send(self, request: Request) -> Response:
        """Return the answer to *request*."""
        with Intake(request, self.total_timeout) as intake:
            try:
                # Not asyncio.run: nest_asyncio puts another one in its place, which leaves its loops open.
                with asyncio.Runner() as runner:
                    return runner.run(self._send(request, intake))
            except (aiohttp.ClientError, OSError) as reason:
                failure = intake.fault(reason)
        raise failure

    async def _send(self, request: Request, intake: Intake) -> Response:
        async with aiohttp.ClientSession(timeout=self._timeout(), auto_decompress=False) as session:
            answering = session.post(
                URL(request.url, encoded=True),
                data=request.body,
                headers=request.headers,
                allow_redirects=False,
                proxy=self.proxy_for(request.url),
                ssl=self.tls_context(),
            )
            async with answering as answer:
                intake.status = answer.status
                async for part in answer.content.iter_any():
                    intake.take(part)
                headers = {name.lower(): value for name, value in answer.headers.items()}
                return Response(answer.status, headers, intake.body(headers.get("content-encoding")))

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

    def _timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(
            total=self.total_timeout, sock_connect=self.connect_timeout, sock_read=self.read_timeout
        )
