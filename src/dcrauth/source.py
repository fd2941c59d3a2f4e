"""The token of one identity: handed out at once while it is fresh, renewed by one at a time when it is not."""

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from dcrauth import _fork, events, rules
from dcrauth._confidential import Confidential
from dcrauth.clock import Clock
from dcrauth.credentials import AccessToken
from dcrauth.driver import Driver
from dcrauth.effects import Errand, Memory
from dcrauth.errors import ConfigurationError, DCRAuthError, ServerUnavailable, another, as_ours, refusal_behind
from dcrauth.fleet import fleet_of
from dcrauth.flight import Flight, take_off, wait, wait_async
from dcrauth.identity import Identity
from dcrauth.listener import Listener, log
from dcrauth.policy import Policy
from dcrauth.provider import Provider, Verdict
from dcrauth.rules import Course, Held, Instant
from dcrauth.stores import Store
from dcrauth.stores.file import FileStore
from dcrauth.transports import Transport, default_transport


@dataclass(frozen=True)
class Failure:
    """How the last renewals ended, and the moment before which there is no other."""

    error: DCRAuthError
    until: Instant
    count: int


class TokenSource(Confidential):
    """Gives out the access token of one identity, from any number of threads, tasks and event loops at once.

    Most programs do not use it directly: they attach a ``DCRAuth`` to their HTTP client, which makes one.

    Parameters:
        provider: the authorization server, such as `AdobePass`.
        store: where credentials and tokens are kept; a `FileStore` in the user's data directory by default.
        instance: what tells this user application instance from others of the same application.
        transport: what sends the two calls of a renewal; by default one on the first HTTP library that is installed.
        policy: how early, how often and how long.
        on_event: called with each event, in order, on a thread of its own; what it raises is only logged.
        clock: where time comes from.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        store: Store | None = None,
        instance: str = "default",
        transport: Transport | None = None,
        policy: Policy | None = None,
        on_event: Callable[[events.Event], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not hasattr(provider, "token_request"):
            raise ConfigurationError(
                f"A provider such as AdobePass(statement) is needed here, not {type(provider).__name__}"
            )
        self.provider = provider
        self._identity = Identity.of(provider.register_url, provider.token_url, provider.application, instance)
        self._policy = policy or Policy()
        self._clock = clock or Clock()
        self._wall, self._monotonic = self._clock.wall, self._clock.monotonic
        self._listener = Listener(on_event) if on_event else None
        self._driver = Driver(
            store or FileStore(),
            transport or default_transport(),
            self._clock,
            self._tell,
            fleet_of(provider.token_url),
        )
        self._memory = Memory()
        self._hold(None)
        self._failure: Failure | None = None
        self.after_fork()
        _fork.watch(self)

    def __repr__(self) -> str:
        return f"<TokenSource {self._identity.key[:8]} of {self.provider!r}>"

    def fresh(self) -> AccessToken | None:
        """Return the token in hand if it is fresh, without waiting for anything or setting anything off."""
        token, wall, monotonic = self._snapshot
        return token if self._wall() < wall and self._monotonic() < monotonic else None

    def token(self, *, instead_of: AccessToken | None = None) -> AccessToken:
        """Return an access token, at once if the one in hand is fresh, else after a wait of at most ``Policy.timeout``.

        Parameters:
            instead_of: a token that a protected API has refused. If it is still the one in hand it is renewed, unless
                it is so young that the next one would be refused as well: then the same token is returned.

        Raises:
            Rejected: the server said no.
            Unavailable: there is no token in time; ``retry_at`` says when to try again.
            StoreError: the store failed.
        """
        if instead_of is None and (token := self.fresh()) is not None:
            return token
        found = self._token_or_flight(instead_of)
        if isinstance(found, AccessToken):
            return found
        wait(found, self._policy.timeout)
        return self._after(found, instead_of)

    async def token_async(self, *, instead_of: AccessToken | None = None) -> AccessToken:
        """Return an access token as `token` does, from an asyncio or trio task."""
        if instead_of is None and (token := self.fresh()) is not None:
            return token
        found = self._token_or_flight(instead_of)
        if isinstance(found, AccessToken):
            return found
        await wait_async(found, self._policy.timeout)
        return self._after(found, instead_of)

    def forget(self) -> bool:
        """Delete the client credentials and tokens of this identity from the store, on purpose; may block.

        Its end users are logged out, and the next request registers anew. To delete a record from the store by hand
        does not do: a process that knows the credentials takes them for lost and puts them back.

        Returns:
            Whether there were any credentials.

        Raises:
            StoreError: the store failed before all was deleted; call it again.
        """
        found = self._driver.forget(self._errand(None))
        self._begin_anew()
        return found

    def restore(self) -> bool:
        """Put the client credentials that were replaced last back in use, and keep the present ones aside; may block.

        For when the server knows the old client again, so that end users who have not logged in anew need not.

        Returns:
            Whether there were any.

        Raises:
            StoreError: the store failed, and the present ones are still in use.
        """
        found = self._driver.restore(self._errand(None))
        self._begin_anew()
        return found

    def refused(self, token: AccessToken, verdict: Verdict) -> bool:
        """Note that a protected API has answered a request with *token* by 401; called by adapters.

        Parameters:
            token: what the request carried.
            verdict: what the answer is about, as the provider reads it.

        Returns:
            Whether to ask for another token: `token` with *token* as ``instead_of``.
        """
        self._tell(events.RequestRefused(self._name, verdict, self._wall() - token.obtained_at))
        if verdict is Verdict.CREDENTIALS:
            self._suspect(token)
        return rules.is_ours(verdict)

    def retried(self) -> None:
        """Note that a refused request is being sent once more, with another token; called by adapters."""
        self._tell(events.RequestRetried(self._name))

    def flush_events(self, timeout: float = 1.0) -> bool:
        """Wait until ``on_event`` was called with all events so far; return whether it was within *timeout* seconds."""
        return self._listener is None or self._listener.flush(timeout)

    def after_fork(self) -> None:
        """Forget the renewal under way, which went on in the parent process only."""
        self._lock = threading.Lock()
        self._flight: Flight | None = None

    def _begin_anew(self) -> None:
        """Drop the token in hand and the renewals before and under way: they are about credentials that are gone."""
        with self._lock:
            self._hold(None)
            self._failure = None
            if self._flight is not None:
                self._flight.outdated = True
                self._flight = None

    @property
    def _name(self) -> str:
        """How events call the identity."""
        return self._identity.key[:8]

    def _hold(self, holding: Held | None) -> None:
        self._held = holding
        # What the hot path reads, in one piece, so that no reader sees half of a change.
        self._snapshot = (holding.token, *holding.due) if holding else (None, 0.0, 0.0)

    def _token_or_flight(self, refused: AccessToken | None) -> AccessToken | Flight:
        """Decide under the lock, act outside it: return a token to use or a renewal to wait for."""
        with self._lock:
            now, holding, failure = self._clock.now(), self._held, self._failure
            blocked = failure is not None and not failure.until.reached(now)
            course = rules.course(holding, refused, now, blocked, self._policy)
            flight, work = self._board(holding) if course in {Course.WAIT, Course.USE_AND_RENEW} else (None, None)
        if work is not None:
            work()
        if course is Course.FAIL and failure is not None:
            raise another(failure.error) from failure.error
        if course is Course.WAIT and flight is not None:
            return flight
        assert holding is not None  # noqa: S101  # the two courses that are left use the token in hand
        return holding.token

    def _board(self, holding: Held | None) -> tuple[Flight, Callable[[], None] | None]:
        """Return the renewal under way, or a new one, together with its work if no thread could be had for that."""
        if self._flight is not None:
            return self._flight, None
        flight = Flight()
        # Known to others only once it runs: if this thread is interrupted, nobody waits for what never comes.
        work = take_off(flight, partial(self._fly, flight, holding))
        self._flight = flight
        return flight, work

    def _fly(self, flight: Flight, holding: Held | None) -> None:
        begun = self._monotonic()
        try:
            token = self._driver.renew(self._errand(holding.token if holding else None), flight.give_way)
        except BaseException as reason:
            self._fail(flight, as_ours(reason), begun)
        else:
            self._land(flight, token)

    def _errand(self, instead_of: AccessToken | None) -> Errand:
        return Errand(
            identity=self._identity,
            provider=self.provider,
            policy=self._policy,
            instead_of=instead_of,
            deadline=self._monotonic() + self._policy.timeout,
            chance=random.random,
            memory=self._memory,
        )

    def _suspect(self, token: AccessToken) -> None:
        with self._lock:
            client = self._memory.client
            if client is not None and rules.incriminates(token, self._held, self._clock.now(), self._policy):
                self._memory.suspect = client.data

    def _land(self, flight: Flight, token: AccessToken) -> None:
        with self._lock:
            if not flight.outdated:
                self._hold(rules.held(token, self._clock.now(), random.random(), self._policy))
                self._failure = None
            self._clear(flight)
        flight.land(token)

    def _fail(self, flight: Flight, error: DCRAuthError, begun: float) -> None:
        with self._lock:
            count = 1 + (self._failure.count if self._failure else 0)
            until = rules.next_try(error, count, self._clock.now(), random.random(), self._policy)
            error.retry_at = until.wall
            if not flight.outdated:
                self._failure = Failure(error, until, count)
            self._clear(flight)
        flight.land(error)
        self._tell(events.RenewalFailed(self._name, error, until.wall, self._monotonic() - begun, count))

    def _clear(self, flight: Flight) -> None:
        if self._flight is flight:
            self._flight = None

    def _after(self, flight: Flight, refused: AccessToken | None) -> AccessToken:
        """Return what a renewal that was waited for has brought, or what can stand in for it."""
        error = flight.outcome() or self._too_late()
        if isinstance(error, AccessToken):
            return error
        holding = self._held
        if holding is not None and rules.can_stand_in(holding, refused, self._clock.now()):
            return holding.token
        if (refusal := refusal_behind(error)) is not None:
            raise refusal
        raise another(error) from error

    def _too_late(self) -> ServerUnavailable:
        return ServerUnavailable(
            f"There was no token within {self._policy.timeout:g} s; the renewal goes on for the next caller",
            retry_at=self._wall(),
        )

    def _tell(self, event: events.Event) -> None:
        log(event)
        if self._listener is not None:
            self._listener.tell(event)
