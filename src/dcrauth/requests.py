"""The adapter for requests: ``session.auth = DCRAuth(provider)``.

requests calls the auth object once for each request that it prepares, and lets it hook the response. The hook travels
along redirects, to wherever they lead, so it looks at each response anew.
"""

from datetime import timedelta
from time import perf_counter
from typing import Any

try:
    import requests
    from requests.auth import AuthBase
    from requests.cookies import extract_cookies_to_jar
    from requests.utils import rewind_body
except ImportError as missing:
    raise ImportError("dcrauth.requests needs requests; run: pip install dcrauth[requests]") from missing
from urllib.parse import urlsplit

from dcrauth._adapter import LARGEST_REFUSAL, Attachment
from dcrauth.credentials import AccessToken, BearerHeader
from dcrauth.errors import ConfigurationError
from dcrauth.transports.requests import RequestsTransport

__all__ = ["DCRAuth"]


class DCRAuth(Attachment, AuthBase):
    """Authorizes the requests of a `requests.Session`, or of a single call with ``auth=``."""

    _host_errors = (requests.RequestException,)
    _connection_errors = (requests.ConnectionError,)
    _own_transport = RequestsTransport

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        """Put the token on *request* if it goes to a protected origin and has no ``Authorization`` of the caller's."""
        if not self._covers(request.url):
            return request
        present = request.headers.get("Authorization")
        if present is None:
            request.hooks["response"].append(self.answered)
        elif not isinstance(present, BearerHeader):
            return request
        self._sign(request.headers, self._source.fresh() or self._token())
        return request

    def answered(self, response: requests.Response, **settings: Any) -> requests.Response:
        """Renew the token that a response refuses and send its request once more, with the *settings* of the first."""
        if response.status_code != 401:
            return response
        try:
            token = self._another(response, bool(settings.get("stream")))
            return response if token is None else self._sent_again(response, token, settings)
        except BaseException:
            response.close()  # requests does not when a hook raises, and its pool would lose a connection
            raise

    def _another(self, response: requests.Response, stream: bool) -> AccessToken | None:
        """Return the token to send the request of a refusal with once more, if that is to be done."""
        request = response.request
        sent = request.headers.get("Authorization")
        if not isinstance(sent, BearerHeader) or not self._covers(request.url):
            return None
        if not self._asks_for_renewal(sent.token, _body(response, stream)):
            return None
        token = self._token(instead_of=sent.token)
        replayable = token != sent.token and hasattr(response, "connection") and _rewound(request)
        return token if replayable else None

    def _sent_again(self, response: requests.Response, token: AccessToken, settings: Any) -> requests.Response:
        response.close()
        # The first request keeps the new token as well: requests copies it for the redirects that may follow.
        response.request.headers["Authorization"] = token.authorization
        self._source.retried()
        request = response.request.copy()
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


def _body(response: requests.Response, stream: bool) -> bytes:
    """Read a 401 to its end, which frees its connection, unless it is large or the caller wants to stream it."""
    length = response.headers.get("Content-Length", "")
    small = length.isdigit() and int(length) <= LARGEST_REFUSAL
    return response.content if small or not (length or stream) else b""


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
