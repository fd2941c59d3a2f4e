"""`FakeAuth`, which an application's tests put in the place of a ``DCRAuth``: no server, no store, no socket."""

import importlib
import re
from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING, Any, Self

from dcrauth._internal.arguments import check_text, wrong
from dcrauth.errors import ConfigurationError
from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.protocol import Provider, check_provider
from dcrauth.testing._fake_adapter import FakeAdapter
from dcrauth.testing._fake_tokens import FakeCall, FakeTokens

__all__ = ["FakeAuth", "FakeCall"]

_TOKEN = re.compile(r"[!-~]+")
_STATEMENT = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJmYWtlIn0.c2ln"


def _auth_classes() -> tuple[type, ...]:
    """Return the classes that HTTP libraries take for an authentication, of those that are installed."""
    found = []
    for library, name in (("httpx", "Auth"), ("httpx2", "Auth"), ("requests.auth", "AuthBase")):
        try:
            found.append(getattr(importlib.import_module(library), name))
        except ImportError:
            continue
    return tuple(found)


if TYPE_CHECKING:
    from httpx import Auth as _Auth
else:
    _Auth = type("_Auth", _auth_classes(), {})


class FakeAuth(_Auth):
    """Works as the ``DCRAuth`` of every HTTP library, of all of them at once, with tokens that are made up.

    Parameters:
        token: the first token; after ``expire()`` or ``refuse()`` come ``test-2``, ``test-3`` and so on.
        provider: whose APIs get the token, and the device headers; by default every URL gets the token.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    def __init__(self, token: str = "test", *, provider: Provider | None = None) -> None:
        if not isinstance(token, str) and hasattr(token, "token_url"):
            raise ConfigurationError("FakeAuth takes a provider by its name: FakeAuth(provider=…)")
        check_text(token, "token")
        if not _TOKEN.fullmatch(token):
            raise ConfigurationError("token must be printable ASCII without blanks, as it goes into a header")
        if provider is not None:
            check_provider(provider)
        self._everywhere = provider is None
        self._provider = AdobePass(_STATEMENT) if provider is None else provider
        self._tokens = FakeTokens(token)
        self._adapters: dict[str, Any] = {}

    def __repr__(self) -> str:
        return f"<FakeAuth: {len(self.calls)} calls>"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    @property
    def calls(self) -> tuple[FakeCall, ...]:
        """The requests that were sent with a token, in order: of one that was sent twice there are two."""
        return self._tokens.calls

    def expire(self) -> None:
        """Have the token run out: the next request gets another one."""
        self._tokens.expire()

    def refuse(self) -> None:
        """Have the API refuse the token: whatever answers a request that carries it, the answer becomes a 401.

        As with ``DCRAuth``, that request is then sent once more with another token, if its body can be.
        """
        self._tokens.refuse()

    def fail(self, error: BaseException | None) -> None:
        """Have each request fail for want of a token.

        Parameters:
            error: what it fails with, such as ``ServerUnavailable("down", retry_at=…)``; None to end that. An error of
                dcrauth comes as ``DCRAuth`` raises it: it is one of the HTTP library as well.

        Raises:
            ConfigurationError: *error* is no exception.
        """
        if not isinstance(error, BaseException | None):
            raise wrong("error", 'an exception such as ServerUnavailable("down"), or None', error)
        self._tokens.fail(error)

    def __call__(self, request: Any, handler: Any = None) -> Any:
        """Do what an authentication of requests or niquests does or, with a *handler*, a middleware of aiohttp."""
        if handler is not None:
            return self._adapter("aiohttp")(request, handler)
        return self._adapter("niquests" if _library_of(request) == "niquests" else "requests")(request)

    def sync_auth_flow(self, request: Any) -> Generator[Any, Any, None]:
        """Run around one request of a blocking client of httpx or httpx2."""
        flow: Generator[Any, Any, None] = self._adapter(_library_of(request)).sync_auth_flow(request)
        return flow

    def async_auth_flow(self, request: Any) -> AsyncGenerator[Any, Any]:
        """Run around one request of an asynchronous client of httpx or httpx2."""
        flow: AsyncGenerator[Any, Any] = self._adapter(_library_of(request)).async_auth_flow(request)
        return flow

    def _adapter(self, library: str) -> Any:
        if library not in self._adapters:
            self._adapters[library] = _fake_of(library)(self._provider, self._tokens, everywhere=self._everywhere)
        return self._adapters[library]


def _library_of(request: Any) -> str:
    return type(request).__module__.partition(".")[0]


def _fake_of(library: str) -> type[FakeAdapter]:
    """Return the adapter for *library*, with tokens that are made up."""
    if library in {"httpx", "httpx2"}:
        flow = importlib.import_module("dcrauth.testing._fake_httpx").FakeFlow
        real = importlib.import_module(f"dcrauth.{library}").DCRAuth
        return type("Fake", (flow, real), {})
    fake: type[FakeAdapter] = importlib.import_module(f"dcrauth.testing._fake_{library}").Fake
    return fake
