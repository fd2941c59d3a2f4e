"""One answer as it comes in, and how a fault is told."""

import ssl
import zlib
from collections.abc import Iterator

from dcrauth.errors import ServerUnavailable, raised_in
from dcrauth.providers.protocol import Request
from dcrauth.transports._deadlines import now

LARGEST_ANSWER = 1 << 20
"""The most bytes of an answer that are read."""

_UNFOLDED = {"gzip", "x-gzip", "deflate"}
_FOLDED = {"br", "zstd", "compress", "x-compress", "dcb", "dcz", "aes128gcm", "exi", "pack200-gzip"}
"""The other content codings that are registered (RFC 9110 §16.6.1), none of which is unfolded here."""
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS

_ENDINGS: tuple[type[Exception], ...] = (ConnectionError, ssl.SSLEOFError, ssl.SSLZeroReturnError)


class Intake:
    """One answer as it comes in, bounded in size and time.

    Parameters:
        request: what is being answered.
        seconds: how long the answer may take from now on.

    Attributes:
        status: that of the answer, once there is one: what cannot be read may have been carried out all the same.
    """

    def __init__(self, request: Request, seconds: float) -> None:
        self._endpoint = request.endpoint
        self._seconds = seconds
        self._end = now() + seconds
        self._body = bytearray()
        self.status: int | None = None

    @property
    def left(self) -> float:
        """How many seconds it may still take."""
        return max(0.0, self._end - now())

    @property
    def is_late(self) -> bool:
        """Whether its time is over."""
        return now() >= self._end

    def take(self, part: bytes) -> None:
        """Add a part of the body; raise `ServerUnavailable` once it is too much or too late."""
        self._body += part
        if len(self._body) > LARGEST_ANSWER:
            raise self._too_much()
        if self.is_late:
            raise self._too_late()

    def body(self, encoding: str | None) -> bytes:
        """Return the whole body.

        Parameters:
            encoding: the answer's ``Content-Encoding``. None was asked for; servers may compress all the same.

        Raises:
            ServerUnavailable: it is too much or too late, or compressed in another way than by gzip or deflate.
        """
        if self.is_late:  # then the body ends where the connection was shut down
            raise self._too_late()
        body = _unfolded(bytes(self._body), encoding or "")
        if body is None:
            words = f"{self._endpoint} answered in an encoding that was not asked for"
            raise ServerUnavailable(words, status=self.status)
        if len(body) > LARGEST_ANSWER:
            raise self._too_much()
        return body

    def fault(self, reason: BaseException) -> ServerUnavailable:
        """Return the error for a call that failed with *reason*, quoting nothing that could hold a part of it."""
        if self.is_late:
            return self._too_late()
        return ServerUnavailable(f"{self._endpoint} could not be called: {told(reason)}")

    def _too_late(self) -> ServerUnavailable:
        return ServerUnavailable(f"{self._endpoint} did not finish its answer within {self._seconds:g} s")

    def _too_much(self) -> ServerUnavailable:
        words = f"{self._endpoint} answered more than {LARGEST_ANSWER} bytes; that is no answer"
        return ServerUnavailable(words, status=self.status)


def _unfolded(body: bytes, encoding: str) -> bytes | None:
    """The body without its compression, or at least so much of it that it is too much; None if that cannot be had.

    What names no compression, such as ``utf-8``, ``none`` or ``binary``, says nothing: then the body is as it is.
    """
    codings = [each for each in encoding.lower().replace(",", " ").split() if each in _UNFOLDED | _FOLDED]
    if not codings:
        return body
    if len(codings) > 1 or codings[0] not in _UNFOLDED:
        return None
    try:
        return zlib.decompressobj(wbits=_GZIP_OR_ZLIB).decompress(body, LARGEST_ANSWER + 1)
    except zlib.error:
        return None


def _chain(reason: BaseException) -> Iterator[BaseException]:
    seen: set[int] = set()
    waiting: list[object] = [reason]
    while waiting:
        each = waiting.pop()
        if isinstance(each, BaseException) and id(each) not in seen:
            seen.add(id(each))
            yield each
            waiting += [each.__cause__, each.__context__, getattr(each, "reason", None), *each.args]


def told(reason: BaseException) -> str:
    """Return *reason* in words that quote nothing of the request."""
    words = next(filter(None, map(_words, _chain(reason))), None) or _by_whom(reason)
    return type(reason).__name__ + (f" ({words})" if words else "")


def _by_whom(reason: BaseException) -> str | None:
    """Who has raised the error of an HTTP library, if it was somebody else, such as a mock."""
    package, own = (name.partition(".")[0] for name in (raised_in(reason), type(reason).__module__))
    return None if own in {package, "builtins"} or package == "dcrauth" else f"raised by {package}"


def _words(reason: BaseException) -> str | None:
    """What the operating system or the TLS library says; other texts may quote the URL."""
    # aiohttp has a class of its own under this one, which lacks the attribute; the original is behind it.
    if isinstance(reason, ssl.SSLCertVerificationError) and hasattr(reason, "verify_message"):
        return f"certificate verify failed: {reason.verify_message}"
    if type(reason).__module__ in {"builtins", "socket", "ssl"} and isinstance(reason, OSError):
        return reason.strerror
    return None


def is_lost(reason: BaseException, endings: tuple[type[Exception], ...] = ()) -> bool:
    """Return whether *reason* is that the other side has closed or reset the connection.

    Parameters:
        endings: what the HTTP library calls that.
    """
    return any(isinstance(each, _ENDINGS + endings) for each in _chain(reason))
