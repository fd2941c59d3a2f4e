"""The part of a `FakeAuth` that is for aiohttp."""

from aiohttp import ClientHandlerType, ClientRequest, ClientResponse

from dcrauth.aiohttp import DCRAuth
from dcrauth.testing._fake_adapter import FakeAdapter


class Fake(FakeAdapter, DCRAuth):
    """The middleware for aiohttp, with tokens that are made up."""

    async def __call__(self, request: ClientRequest, handler: ClientHandlerType) -> ClientResponse:
        """Run around one hop of a request."""

        async def refusing(request: ClientRequest) -> ClientResponse:
            self._note(request)
            refused = self._refuses(request)
            response = await handler(request)
            if refused:
                response.status, response.reason = 401, "Unauthorized"
            return response

        return await super().__call__(request, refusing)
