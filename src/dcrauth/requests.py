"""The adapter for requests: ``session.auth = DCRAuth(provider)``.

requests calls the auth object once for each request that it prepares, and lets it hook the response. The hook travels
along redirects, to wherever they lead, so it looks at each response anew.
"""

import io
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from time import perf_counter
from types import SimpleNamespace
from typing import Any, NamedTuple

try:
    import requests
    from requests.auth import AuthBase
    from requests.cookies import extract_cookies_to_jar
    from requests.exceptions import ContentDecodingError
    from requests.utils import rewind_body
    from urllib3 import BaseHTTPResponse, HTTPResponse
except ImportError as missing:
    raise ImportError("dcrauth.requests needs requests; run: pip install dcrauth[requests]") from missing
from urllib.parse import urlsplit

from dcrauth.adapters.adapter import LARGEST_REFUSAL, UNPACKED_AT_ONCE, Adapter, Unattached, is_long, short
from dcrauth.credentials import AccessToken
from dcrauth.engine.source import TokenSource
from dcrauth.errors import ConfigurationError
from dcrauth.transports.requests import RequestsTransport

__all__ = ["DCRAuth"]


class DCRAuth(Adapter, AuthBase):
    """Authorizes the requests of a `requests.Session`, or of a single call with ``auth=``."""

    _host_errors = (requests.RequestException,)
    _connection_errors = (requests.ConnectionError,)
    _own_transport = RequestsTransport

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token on *request* if it goes to a protected origin and has no ``Authorization`` of the caller's."""
        if not self._covers(request.url):
            return request
        if "Authorization" in request.headers and self._has_callers(request):  # a look for what is not there costs most
            return request
        source = self._source or self._picked(request)
        token = source.fresh() or self._token(source, request)
        hooks = request.hooks["response"]
        if self._source is None:
            if hooks:  # perhaps of an earlier signing
                hooks[:] = [each for each in hooks if not isinstance(each, _Answered)]
            hooks.append(_Answered(self, source))
        elif not hooks or self.answered not in hooks:
            hooks.append(self.answered)
        self._sign(request, source, token)
        return request

    def answered(self, response: requests.Response, **settings: Any) -> requests.Response:
        """Renew the token that a response refuses and send its request once more, with the *settings* of the first."""
        assert self._source is not None  # noqa: S101  # else the hook is another one
        return self.answered_to(self._source, response, settings)

    def answered_to(
        self, source: TokenSource, response: requests.Response, settings: dict[str, Any]
    ) -> requests.Response:
        """Do what `answered` does for a request that *source* had the token for."""
        if response.status_code != 401:
            return response
        try:
            token = self._another(response, source)
            return response if token is None else self._sent_again(response, source, token, settings)
        except BaseException:
            response.close()  # requests does not when a hook raises, and its pool would lose a connection
            raise

    def _another(self, response: requests.Response, source: TokenSource) -> AccessToken | None:
        """Return the token to send the request of a refusal with once more, if that is to be done."""
        request = response.request
        sent = self._ours_on(request, source)
        if sent is None or not self._covers(request.url):
            return None
        said = _said(response)
        if not self._asks_for_renewal(source, sent, response, said or b""):
            return None
        token = self._token(source, request, instead_of=sent)
        if token == sent or not hasattr(response, "connection") or not _rewound(request):
            return None
        if said is not None:
            response.content  # noqa: B018  # kept, for who looks into the history
        return token

    def _sent_again(
        self, response: requests.Response, source: TokenSource, token: AccessToken, settings: Any
    ) -> requests.Response:
        response.close()
        # requests copies the first request for the redirects that may follow, so that gets the new token as well;
        # the refusal, which stays in the history, keeps a request with the old one.
        first = response.request
        response.request = first.copy()
        first.headers["Authorization"] = token.authorization
        source.retried()
        request = first.copy()
        _carry_cookies(response, request)
        start = perf_counter()
        answer: requests.Response = response.connection.send(request, **settings)
        answer.elapsed = timedelta(seconds=perf_counter() - start)
        answer.history.append(response)
        answer.request = request
        return answer

    def _covers(self, url: Any) -> bool:
        try:
            if url.startswith(self._prefixes):
                return True
            parts = urlsplit(url)
            return self._protects(parts.scheme, parts.hostname, parts.port)
        except (AttributeError, TypeError):
            raise ConfigurationError(
                "dcrauth.requests.DCRAuth is for requests; each HTTP library has its own"
            ) from None
        except ValueError:  # an impossible port or address of a scheme that requests leaves alone
            return False


class _Answered(NamedTuple):
    """The hook of a request whose token came from one *source* of many; it goes along with copies of the request."""

    auth: DCRAuth
    source: TokenSource

    def __call__(self, response: requests.Response, **settings: Any) -> requests.Response:
        return self.auth.answered_to(self.source, response, settings)

    def __reduce__(self) -> tuple[Any, ...]:
        return Unattached, ()


def _said(response: requests.Response) -> bytes | None:
    """Return what a 401 says, or None if that is long; the caller still finds all of it unread.

    What is short is read to its end, which frees its connection.
    """
    answer = response.raw
    if response._content is not False or not isinstance(answer, BaseHTTPResponse):  # type: ignore[comparison-overlap]
        return response.content or b""
    if is_long(response.headers.get("Content-Length", "")):
        return None
    undecoded = SimpleNamespace(stream=lambda size, **_: iter(partial(answer.read, size, decode_content=False), b""))
    begun = next(_parts(undecoded, LARGEST_REFUSAL + 1), b"")
    response.raw = _answering(answer, _Resumed(begun, answer))
    return None if len(begun) > LARGEST_REFUSAL else _decoded(_answering(answer, io.BytesIO(begun)))


class _Resumed(io.RawIOBase):
    """The body of an answer whose beginning was read before: that comes first, and then the rest of it."""

    def __init__(self, begun: bytes, answer: BaseHTTPResponse) -> None:
        self._begun = io.BytesIO(begun)
        self._answer = answer

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        part = self._begun.read(len(buffer)) or self._answer.read(len(buffer), decode_content=False)
        buffer[: len(part)] = part
        return len(part)

    def close(self) -> None:
        super().close()
        if hasattr(self, "_answer"):  # a file is closed at its end, also one that an interrupt has left half-made
            self._answer.close()
            self._answer.release_conn()


def _answering(answer: BaseHTTPResponse, body: Any) -> HTTPResponse:
    """Return *answer* with another *body*, in the same encoding."""
    return HTTPResponse(
        body,
        headers=answer.headers,
        status=answer.status,
        version=answer.version,
        reason=answer.reason,
        preload_content=False,
        decode_content=answer.decode_content,
        original_response=getattr(answer, "_original_response", None),  # which has the cookies
        retries=answer.retries,
        enforce_content_length=False,  # the answer itself does so
        request_url=answer.url,
    )


def _parts(raw: Any, size: int) -> Iterator[bytes]:
    """Read *raw* in parts of at most *size* bytes, with the errors of requests."""
    probe = requests.Response()
    probe.raw = raw
    parts: Iterator[bytes] = probe.iter_content(size)
    return parts


def _decoded(raw: HTTPResponse) -> bytes | None:
    """Return the content of *raw*, or None if it is long, or not in the encoding that it claims to be in."""
    try:
        return short(_parts(raw, UNPACKED_AT_ONCE))
    except ContentDecodingError:
        return None


def _rewound(request: requests.PreparedRequest) -> bool:
    """Take the body back to where it was when the request was prepared; return whether that can be relied on."""
    if request.body is None or isinstance(request.body, bytes | str):
        return True
    # requests noted the position of a file when it prepared the request; a generator or a pipe has none.
    try:
        rewind_body(request)
    except Exception:  # whatever a file-like object of the caller's may raise: it cannot be sent again
        return False
    return True


def _carry_cookies(response: requests.Response, request: requests.PreparedRequest) -> None:
    """Give *request* the cookies that *response* has set."""
    jar: Any = request._cookies  # type: ignore[attr-defined]
    before = request.headers.pop("Cookie", None)
    extract_cookies_to_jar(jar, response.request, response.raw)  # type: ignore[no-untyped-call]
    request.prepare_cookies(jar)
    if before is not None:
        request.headers.setdefault("Cookie", before)
