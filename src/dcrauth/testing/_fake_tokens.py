"""The tokens of a `FakeAuth`, and a token source that hands them out without a store, a server or a thread."""

import threading
import time
from dataclasses import dataclass
from typing import Any

from dcrauth.credentials import AccessToken
from dcrauth.engine.source import TokenSource
from dcrauth.errors import DCRAuthError, another
from dcrauth.providers.protocol import Provider, Request, Response, Verdict
from dcrauth.stores.memory import MemoryStore

_LIFE = 3600.0


@dataclass(frozen=True)
class FakeCall:
    """One request that a `FakeAuth` has put a token on.

    Parameters:
        method: its HTTP method.
        url: where it went.
        token: the token that it carried.
    """

    method: str
    url: str
    token: str


class FakeTokens:
    """One token after the other, and what was done with them.

    Parameters:
        first: the first one; those after it have a number at their end.
    """

    def __init__(self, first: str) -> None:
        self._first = first
        self._lock = threading.Lock()
        self._given: dict[str, AccessToken] = {}
        self._refused: set[AccessToken] = set()
        self._failure: BaseException | None = None
        self._calls: list[FakeCall] = []
        self._grant()

    def _grant(self) -> None:
        now = time.time()
        value = f"{self._first}-{len(self._given) + 1}" if self._given else self._first
        self._current: AccessToken | None = AccessToken(value, now, now + _LIFE)
        self._given[self._current.authorization] = self._current

    def fresh(self) -> AccessToken | None:
        """Return the token in hand, if there is one and nothing is wrong."""
        return self._current if self._failure is None else None

    def token(self, instead_of: AccessToken | None) -> AccessToken:
        """Return the token in hand, or the next one if there is none but *instead_of*."""
        with self._lock:
            if self._failure is not None:
                raise another(self._failure) if isinstance(self._failure, DCRAuthError) else self._failure
            if self._current is None or self._current == instead_of:
                self._grant()
            assert self._current is not None  # it was granted at the latest just now
            return self._current

    def recognised(self, digest: bytes) -> AccessToken | None:
        """Return the token whose header has the *digest*, if it is one of these."""
        return next((token for token in tuple(self._given.values()) if token.digest == digest), None)

    def known(self, authorization: object) -> AccessToken | None:
        """Return the token that a header carries, if it is one of these."""
        return self._given.get(str(authorization))

    def expire(self) -> None:
        """Take the token in hand away."""
        with self._lock:
            self._current = None

    def refuse(self) -> None:
        """Have the token in hand refused."""
        with self._lock:
            if self._current is not None:
                self._refused.add(self._current)

    def refuses(self, authorization: object) -> bool:
        """Whether a request with that header is to be answered by 401."""
        return self.known(authorization) in self._refused

    def fail(self, error: BaseException | None) -> None:
        """Have every request for a token fail with *error*, or no longer."""
        with self._lock:
            self._failure = error

    def note(self, method: Any, url: Any, authorization: object) -> None:
        """Keep a request in mind, if it carries one of these tokens."""
        if (token := self.known(authorization)) is not None:
            self._calls.append(FakeCall(str(method), str(url), token.value))

    @property
    def calls(self) -> tuple[FakeCall, ...]:
        """The requests that carried one of these tokens, in order."""
        return tuple(self._calls)


class NoTransport:
    """A transport of a source that has nothing to send."""

    def send(self, request: Request) -> Response:
        """Say that this must not happen."""
        raise AssertionError(f"FakeAuth calls no server, and was made to call {request.endpoint}")


class FakeSource(TokenSource):
    """Hands out the tokens of a `FakeTokens`, at once.

    Parameters:
        provider: whose origins, headers and verdicts the adapters go by.
        tokens: where they come from.
    """

    def __init__(self, provider: Provider, tokens: FakeTokens) -> None:
        super().__init__(provider, store=MemoryStore(), transport=NoTransport())
        self._tokens = tokens

    def fresh(self) -> AccessToken | None:
        """Return the token in hand."""
        return self._tokens.fresh()

    def token(self, *, instead_of: AccessToken | None = None) -> AccessToken:
        """Return the token in hand, or the next one."""
        return self._tokens.token(instead_of)

    async def token_async(self, *, instead_of: AccessToken | None = None) -> AccessToken:
        """Return the token in hand, or the next one."""
        return self._tokens.token(instead_of)

    def recognised(self, digest: bytes) -> AccessToken | None:
        """Return the token whose header has the *digest*, if it is one of these."""
        return self._tokens.recognised(digest)

    def refused(self, token: AccessToken, verdict: Verdict) -> bool:
        """Whether to ask for another token, after a 401: whatever its body says if it is a 401 by `FakeAuth.refuse`."""
        return self._tokens.refuses(token.authorization) or super().refused(token, verdict)
