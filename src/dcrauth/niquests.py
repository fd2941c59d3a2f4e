"""The adapter for niquests: ``session.auth = DCRAuth(provider)``, for a ``Session`` and for an ``AsyncSession``.

niquests calls the auth object while it prepares a request, and does not say for which kind of session. So nothing is
waited for there: the token is put on the request by hooks, which both kinds of session call before each hop.
"""

# It has an environment of its own, in which no type checker runs.
# pyright: reportMissingImports=false

import inspect
from collections.abc import Callable
from datetime import timedelta
from time import perf_counter
from typing import Any, ClassVar, NamedTuple

try:
    import niquests
    from niquests.cookies import extract_cookies_to_jar
    from niquests.packages.urllib3.exceptions import LocationParseError
    from niquests.packages.urllib3.util import parse_url
    from niquests.utils import arewind_body, rewind_body
except ImportError as missing:
    raise ImportError("dcrauth.niquests needs niquests; run: pip install dcrauth[niquests]") from missing

from dcrauth.adapters.adapter import Adapter, Unattached
from dcrauth.adapters.niquests_refusal import said, said_async
from dcrauth.credentials import AccessToken
from dcrauth.engine.source import TokenSource
from dcrauth.errors import ConfigurationError
from dcrauth.transports.http_client import HttpClientTransport

__all__ = ["DCRAuth"]


class Signed(NamedTuple):
    """The hooks of a request that gets the tokens of *source*; they go along with copies of it, to each hop."""

    auth: Any
    source: TokenSource

    async def before_async(self, request: Any) -> Any:
        """Sign a hop of an asynchronous session."""
        if self.auth._takes(request):
            token = self.source.fresh() or await self.auth._token_async(self.source, request)
            self.auth._sign(request, self.source, token)
        _put_first(request.hooks["response"], self.after_async)
        return request

    def before(self, request: Any) -> Any:
        """Sign a hop of a blocking session.

        Each hook gets what the one before it has returned. Where that is a coroutine, nobody has awaited it: this is a
        blocking session.
        """
        if not inspect.iscoroutine(request):
            return request
        unsigned = inspect.getcoroutinelocals(request)["request"]
        request.close()
        if self.auth._takes(unsigned):
            token = self.source.fresh() or self.auth._token(self.source, unsigned)
            self.auth._sign(unsigned, self.source, token)
        _put_first(unsigned.hooks["response"], self.after)
        return unsigned

    def after(self, response: Any, **settings: Any) -> Any:
        """Renew the token that *response* refuses and send its request once more, with the *settings* of the first."""
        if response.status_code != 401:
            return response
        try:
            words, token = self._another(response)
            if token is None:
                return response
            response.close()
            again = _Again(response, words, token, settings)
            self.source.retried()
            return again.ended(response.connection.send(again.request, **again.settings))
        except TypeError as reason:  # niquests would call a hook that raises one a second time
            response.close()
            raise niquests.RequestException(reason, request=response.request) from reason
        except BaseException:
            response.close()
            raise

    async def after_async(self, response: Any, **settings: Any) -> Any:
        """Do what `after` does, in an asynchronous session."""
        if response.status_code != 401:
            return response
        try:
            words, token = await self._another_async(response)
            if token is None:
                return response
            await response.close()
            again = _Again(response, words, token, settings)
            self.source.retried()
            return again.ended(await response.connection.send(again.request, **again.settings))
        except TypeError as reason:
            await response.close()
            raise niquests.RequestException(reason, request=response.request) from reason
        except BaseException:
            await response.close()
            raise

    def _another(self, response: Any) -> tuple[bytes | None, AccessToken | None]:
        """Return what a refusal says, and the token to send its request with once more, if that is to be done."""
        sent = self._sent(response.request)
        if sent is None:
            return None, None
        words = said(response)
        if not self.auth._asks_for_renewal(self.source, sent, response, words or b""):
            return words, None
        token = self.auth._token(self.source, response.request, instead_of=sent)
        repeats = token != sent and hasattr(response, "connection") and _rewound(response.request)
        return words, token if repeats else None

    async def _another_async(self, response: Any) -> tuple[bytes | None, AccessToken | None]:
        sent = self._sent(response.request)
        if sent is None:
            return None, None
        words = await said_async(response)
        if not self.auth._asks_for_renewal(self.source, sent, response, words or b""):
            return words, None
        token = await self.auth._token_async(self.source, response.request, instead_of=sent)
        repeats = token != sent and hasattr(response, "connection") and await _rewound_async(response.request)
        return words, token if repeats else None

    def _sent(self, request: Any) -> AccessToken | None:
        """Return the token of ours that was refused."""
        sent = self.auth._ours_on(request, self.source)
        return sent if sent is not None and self.auth._covers(request.url) else None

    def __reduce__(self) -> tuple[Any, ...]:
        return Unattached, ()


class DCRAuth(Adapter):
    """Authorizes the requests of a `niquests.Session` or `AsyncSession`, or of a single call with ``auth=``."""

    _host_errors = (niquests.RequestException,)
    _connection_errors = (niquests.ConnectionError,)
    _own_transport = HttpClientTransport
    _hooks: ClassVar[type[Signed]] = Signed

    def __call__(self, request: Any) -> Any:
        """Have *request* get the token if it goes to a protected origin, with no ``Authorization`` of the caller's."""
        if not self._takes(request):
            return request
        source = self._source or self._picked(request)
        token = source.fresh()
        if token is not None:
            self._sign(request, source, token)
        signed = self._hooks(self, source)
        _put_first(request.hooks["pre_request"], signed.before_async, signed.before)
        return request

    def _takes(self, request: Any) -> bool:
        if not self._covers(request.url):
            return False
        return "Authorization" not in request.headers or not self._has_callers(request)

    def _covers(self, url: Any) -> bool:
        try:
            if url.startswith(self._prefixes):
                return True
            parts = parse_url(url)  # as niquests does when it connects: it leaves URLs as they were written
        except (AttributeError, TypeError):
            raise ConfigurationError(
                "dcrauth.niquests.DCRAuth is for niquests; each HTTP library has its own"
            ) from None
        except LocationParseError:
            return False
        return self._protects(parts.scheme or "", (parts.host or "").strip("[]"), parts.port)


class _Again:
    """The second attempt of a request.

    Parameters:
        response: the refusal, which goes into the history.
        words: what it says, None if that is long.
        token: another token than the one that was refused.
        settings: those of the first attempt.
    """

    def __init__(self, response: Any, words: bytes | None, token: AccessToken, settings: dict[str, Any]) -> None:
        self._response = response
        self._is_lazy = settings.get("multiplexed")
        self.settings = settings | {"multiplexed": False} if self._is_lazy else settings
        self.request = response.request
        self._refusal = _kept(response, words)
        # niquests copies the first request for the redirects that may follow, so that is the one that gets the token.
        self.request.headers["Authorization"] = token.authorization
        _carry_cookies(self._refusal, self.request)
        self._begun = perf_counter()

    def ended(self, answer: Any) -> Any:
        """Return what the caller gets: *answer*, in the place of the refusal if the caller has that already."""
        answer.elapsed = timedelta(seconds=perf_counter() - self._begun)
        answer.history.append(self._refusal)
        if not self._is_lazy:
            return answer
        vars(self._response).clear()
        vars(self._response).update(vars(answer))
        return self._response


def _kept(response: Any, words: bytes | None) -> Any:
    """Return the refusal as it stays in the history: readable without waiting, and with the token that was refused."""
    kept = niquests.Response()
    vars(kept).update(vars(response))
    kept._content, kept._content_consumed = words, True
    kept.request = response.request.copy()
    kept.request.conn_info = response.request.conn_info
    return kept


def _carry_cookies(refusal: Any, request: Any) -> None:
    """Give *request* the cookies that *refusal* has set."""
    before = request.headers.pop("Cookie", None)
    extract_cookies_to_jar(request._cookies, request, refusal.raw)
    request.prepare_cookies(request._cookies)
    if before is not None:
        request.headers.setdefault("Cookie", before)


def _put_first(hooks: list[Any], *ours: Callable[..., Any]) -> None:
    """Put *ours* before the caller's hooks, in the place of those of an earlier signing."""
    hooks[:] = [*ours, *(each for each in hooks if not isinstance(getattr(each, "__self__", None), Signed))]


def _rewound(request: Any) -> bool:
    """Take the body back to where it was when the request was prepared; return whether that can be relied on."""
    if request.body is None or isinstance(request.body, bytes | str):
        return True
    try:
        rewind_body(request)
    except Exception:  # whatever a file-like object of the caller's may raise: it cannot be sent again
        return False
    return True


async def _rewound_async(request: Any) -> bool:
    if not inspect.iscoroutinefunction(getattr(request.body, "seek", None)):
        return _rewound(request)
    try:
        await arewind_body(request)
    except Exception:  # as above
        return False
    return True
