"""The part of a `FakeAuth` that is for httpx and httpx2, which differ in their classes only."""

from collections.abc import AsyncGenerator, Generator
from typing import Any

from dcrauth.adapters.httpx_flow import HttpxFlow
from dcrauth.testing._fake_adapter import FakeAdapter


class FakeFlow(FakeAdapter, HttpxFlow):
    """The flow of httpx, with tokens that are made up."""

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Run around one request of a blocking client."""
        flow = super().sync_auth_flow(request)
        try:
            sent = next(flow)
            while True:
                self._note(sent)
                sent = flow.send(self._judged((yield sent)))
        except StopIteration:
            return
        finally:
            flow.close()

    async def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Run around one request of an asynchronous client."""
        flow = super().async_auth_flow(request)
        try:
            sent = await anext(flow)
            while True:
                self._note(sent)
                sent = await flow.asend(self._judged((yield sent)))
        except StopAsyncIteration:
            return
        finally:
            await flow.aclose()

    def _judged(self, response: Any) -> Any:
        """Return *response*, made a 401 if that is what it is to be."""
        if self._refuses(response.request):
            response.status_code = 401
            response.extensions.pop("reason_phrase", None)
        return response
