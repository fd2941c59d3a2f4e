"""The part of a `FakeAuth` that is for niquests."""

import inspect
from typing import Any

from dcrauth.niquests import DCRAuth, Signed
from dcrauth.testing._fake_adapter import FakeAdapter


class FakeSigned(Signed):
    """The hooks of a request whose tokens are made up."""

    __slots__ = ()

    async def before_async(self, request: Any) -> Any:
        """Sign a hop of an asynchronous session."""
        signed = await super().before_async(request)
        self.auth._note(signed)
        return signed

    def before(self, request: Any) -> Any:
        """Sign a hop of a blocking session."""
        is_blocking = inspect.iscoroutine(request)
        signed = super().before(request)
        if is_blocking:
            self.auth._note(signed)
        return signed

    def after(self, response: Any, **settings: Any) -> Any:
        """Refuse what is to be refused, and then do what the adapter does."""
        first = self._refused(response)
        answer = super().after(response, **settings)
        self._note_again(answer, first)
        return answer

    async def after_async(self, response: Any, **settings: Any) -> Any:
        """Do what `after` does, in an asynchronous session."""
        first = self._refused(response)
        answer = await super().after_async(response, **settings)
        self._note_again(answer, first)
        return answer

    def _refused(self, response: Any) -> Any:
        """Refuse *response* if that is to be; return what it is the answer to."""
        if self.auth._refuses(response.request):
            response.status_code, response.reason = 401, "Unauthorized"
        return response.raw

    def _note_again(self, answer: Any, first: Any) -> None:
        if answer.raw is not first:
            self.auth._note(answer.request)


class Fake(FakeAdapter, DCRAuth):
    """The adapter for niquests, with tokens that are made up."""

    _hooks = FakeSigned
