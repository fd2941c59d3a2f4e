"""The token of one identity: handed out at once while it is fresh, renewed by one at a time when it is not."""

import random
import threading
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from typing import TYPE_CHECKING, Self

from dcrauth import events
from dcrauth._internal import fork
from dcrauth._internal.arguments import check_text
from dcrauth._internal.confidential import Confidential, discreet_constructor, unfailing
from dcrauth._internal.threads import to_the_end
from dcrauth.credentials import AccessToken
from dcrauth.engine import observer, rules, token_life, token_refused
from dcrauth.engine.callers_context import CallersContext
from dcrauth.engine.clock import Clock
from dcrauth.engine.event_loops import to_the_end_async, wait_async
from dcrauth.engine.given_tokens import NONE, with_token
from dcrauth.engine.identity import Identity
from dcrauth.engine.rules import Course, Failure
from dcrauth.engine.single_flight import Flight, do_here, wait
from dcrauth.engine.source_settings import check_settings, default_instance, default_store
from dcrauth.engine.status import Status
from dcrauth.engine.token_life import HeldToken
from dcrauth.engine.workers import WORKERS
from dcrauth.errors import DCRAuthError, ServerUnavailable, another, as_ours, refusal_behind
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Provider, Verdict, instance_of, token_key
from dcrauth.stores import Store
from dcrauth.transports import Transport

if TYPE_CHECKING:
    from dcrauth.engine.effects import RenewalContext
    from dcrauth.engine.options import SourceOptions


@discreet_constructor
class TokenSource(Confidential):
    """Gives out the access token of one identity, from any number of threads, tasks and event loops at once.

    Most programs do not use it directly: they attach a ``DCRAuth`` to their HTTP client, which makes one.

    Parameters:
        provider: the authorization server, such as `AdobePass`.
        store: where credentials and tokens are kept; by default what the provider says that was made from the
            environment, else a `FileStore` in the user's data directory, which is looked for at once: that may block.
        instance: what tells this user application instance from others of the same application, any text; by default
            what such a provider says, else "default".
        transport: what sends the two calls of a renewal; by default one on the first HTTP library that is installed, at
            last on Python's own.
        policy: how early, how often and how long.
        on_event: called with each event, in order, on a thread of its own; what it raises is only logged.
        clock: where time comes from.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        store: Store | None = None,
        instance: str | None = None,
        transport: Transport | None = None,
        policy: Policy | None = None,
        on_event: Callable[[events.Event], None] | None = None,
        clock: Clock | None = None,
    ) -> None:
        check_settings(provider, store, transport, policy, clock)
        instance = default_instance(provider) if instance is None else instance
        check_text(instance, "instance")
        # What renewals take is imported here: importing the package is cheaper without, and no renewal imports it.
        from dcrauth.engine.options import SourceOptions  # noqa: PLC0415
        from dcrauth.engine.renewing import Renewing  # noqa: F401, PLC0415

        store = default_store(provider) if store is None else store
        options = SourceOptions.of(provider, store, transport, policy, on_event, clock)
        self._begin(options, provider, instance)
        fork.watch(self)

    @classmethod
    def with_options(cls, options: "SourceOptions", provider: Provider, instance: str) -> Self:
        """Return a source that shares *options* with others, and whose `after_fork` is called by who holds it.

        Nothing is checked any more.
        """
        source = cls.__new__(cls)
        source._begin(options, provider, instance)
        return source

    def _begin(self, options: "SourceOptions", provider: Provider, instance: str) -> None:
        self.provider = provider
        self.instance = instance
        self._identity = Identity.of(*provider.anchor, instance_of(provider, instance), token_key=token_key(provider))
        self._policy, self._clock, self._listener = options.policy, options.clock, options.listener
        self._wall, self._monotonic = self._clock.wall, self._clock.monotonic
        self._driver = options.driver
        self._memory = options.known(self._identity)
        self._certificate = options.certificate_of(provider)
        self._outlived: str | None = None
        # The last tokens, without their values, by digests of their headers.
        self._given = NONE
        self._held: HeldToken | None = None
        self._hold(None)
        self.after_fork()

    def __del__(self) -> None:
        memory = getattr(self, "_memory", None)
        if memory is not None:  # else the constructor has not come to its end
            memory.let_go()

    @unfailing
    def __repr__(self) -> str:
        return f"<TokenSource {self._identity.key[:8]} of {self.provider!r}>"

    def fresh(self) -> AccessToken | None:
        """Return the token in hand if it is fresh, without waiting for anything or setting anything off.

        One that is bound to a certificate is never known to be, without a look at the file of that.
        """
        token, wall, monotonic = self._snapshot
        return token if self._wall() < wall and self._monotonic() < monotonic else None

    def token(self, *, instead_of: AccessToken | None = None) -> AccessToken:
        """Return an access token, at once if the one in hand is fresh, else after a wait of at most ``Policy.timeout``.

        Parameters:
            instead_of: a token that a protected API has refused. If it is still the one in hand it is renewed, unless
                it was granted moments ago because another one had been refused: then the same token is returned.

        Raises:
            Rejected: the server said no.
            Unavailable: there is no token in time; ``retry_at`` says when to try again.
            StoreError: the store failed.
        """
        if instead_of is None and (token := self.fresh()) is not None:
            return token
        caller = copy_context()  # it lasts as long as this waits, or a part of the renewal that it has asked for
        found = self._token_or_flight(instead_of, caller)
        if isinstance(found, AccessToken):
            return found
        wait(found, self._policy.timeout)
        return self._after(found, instead_of)

    async def token_async(self, *, instead_of: AccessToken | None = None) -> AccessToken:
        """Return an access token as `token` does, from an asyncio or trio task."""
        if instead_of is None and (token := self.fresh()) is not None:
            return token
        caller = copy_context()
        found = self._token_or_flight(instead_of, caller)
        if isinstance(found, AccessToken):
            return found
        await wait_async(found, self._policy.timeout)
        return self._after(found, instead_of)

    def forget(self, *, unregister: bool = False) -> bool:
        """Delete the client credentials and tokens of this identity from the store, on purpose; may block.

        Its end users are logged out, and the next request registers anew. To delete a record from the store by hand
        does not do: a process that knows the credentials takes them for lost and puts them back.

        An interrupt ends the wait for it only: it is done to the end all the same.

        Parameters:
            unregister: whether the server is to delete the client as well, before that (RFC 7592 §2.3), where the
                provider and the server can; if it does not, nothing is deleted.

        Returns:
            Whether there were any credentials.

        Raises:
            ConfigurationError: the client cannot be deleted there, since the server has not said how.
            Rejected, Unavailable: the server has not deleted the client.
            StoreError: the store failed before all was deleted; call it again.
        """
        return to_the_end(partial(self._anew, partial(self._driver.forget, unregister=unregister)))

    def restore(self) -> bool:
        """Put the client credentials that were replaced last back in use, and keep the present ones aside; may block.

        For when the server knows the old client again, so that end users who have not logged in anew need not. An
        interrupt ends the wait for it only.

        Returns:
            Whether there were any.

        Raises:
            StoreError: the store failed, and the present ones are still in use.
        """
        return to_the_end(partial(self._anew, self._driver.restore))

    async def forget_async(self, *, unregister: bool = False) -> bool:
        """Do what `forget` does, from an asyncio or trio task; a task that is cancelled ends the wait for it only."""
        return await to_the_end_async(partial(self._anew, partial(self._driver.forget, unregister=unregister)))

    async def restore_async(self) -> bool:
        """Do what `restore` does, from an asyncio or trio task; a task that is cancelled ends the wait for it only."""
        return await to_the_end_async(partial(self._anew, self._driver.restore))

    def status(self) -> Status:
        """Return how it stands with this identity, as far as this process knows; nothing is read or called for that."""
        held, failure, client = self._held, self._failure, self._memory.client
        return Status(
            identity=self._identity.key,
            instance=self.instance,
            client_id=client.credentials.client_id if client else None,
            registered_at=client.credentials.registered_at if client else None,
            expires_at=held.token.expires_at if held else None,
            due_at=held.due.wall if held else None,
            scope=held.token.scope if held else None,
            last_error=f"{type(failure.error).__name__}: {failure.error.message}" if failure else None,
            retry_at=failure.until.wall if failure else None,
            store=type(self._driver.store).__name__,
        )

    def recognised(self, digest: bytes) -> AccessToken | None:
        """Return the token whose header has the *digest*, if it is one of the last that came from here.

        One that is no longer in hand comes without its value, which nobody needs.
        """
        held = self._held
        if held is not None and held.token.digest == digest:
            return held.token
        return self._given.get(digest)

    def refused(self, token: AccessToken, verdict: Verdict) -> bool:
        """Note that a protected API has answered a request with *token* by 401; called by adapters.

        Parameters:
            token: what the request carried.
            verdict: what the answer is about, as the provider reads it.

        Returns:
            Whether to ask for another token: `token` with *token* as ``instead_of``.
        """
        self._emit(events.RequestRefused(self._name, verdict, self._wall() - token.obtained_at))
        if verdict is Verdict.CREDENTIALS:
            self._suspect(token)
        return token_refused.is_ours(verdict)

    def retried(self) -> None:
        """Note that a refused request is being sent once more, with another token; called by adapters."""
        self._emit(events.RequestRetried(self._name))

    def flush_events(self, timeout: float = 1.0) -> bool:
        """Wait until ``on_event`` was called with all events so far; return whether it was within *timeout* seconds."""
        return self._listener is None or self._listener.flush(timeout)

    def let_go(self) -> None:
        """Drop what this process knows of the identity outside of this object, as it is released by `TokenSources`."""
        self._driver.breaker.forget(self._identity.key)

    def after_fork(self) -> None:
        """Forget the renewal under way, which went on in the parent process only."""
        self._lock = threading.Lock()
        self._flight: Flight | None = None

    @property
    def _failure(self) -> Failure | None:
        """How the last renewals of the identity ended, whichever source made them, as far as it says anything here."""
        failure = self._memory.failure
        return failure if failure is None or failure.statement == self.provider.statement_digest else None

    @_failure.setter
    def _failure(self, failure: Failure | None) -> None:
        if failure is not None:
            failure.error.__traceback__ = None  # its frames would keep this source for as long as the failure is kept
        self._memory.failure = failure

    def _anew(self, change: Callable[["RenewalContext"], bool]) -> bool:
        self._keep_to_certificate()
        found = change(self._context(None))
        self._begin_anew()
        return found

    def _begin_anew(self) -> None:
        """Drop the token in hand and the renewals before and under way: they are about credentials that are gone."""
        with self._lock:
            self._drop()

    def _drop(self) -> None:
        self._hold(None)
        self._memory.expires_at = None
        self._failure = None
        if self._flight is not None:
            self._flight.outdated = True
            self._flight = None

    def _keep_to_certificate(self) -> None:
        """Drop the token in hand where it is bound to another certificate than the transport shows by now."""
        if self._certificate is None or (shown := self._certificate()) == self._identity.certificate:
            return
        with self._lock:
            bound = self._identity
            if shown != bound.certificate:
                self._outlived = bound.token if bound.certificate else None
                self._identity = bound.bound_to(shown)
                self._drop()

    @property
    def _name(self) -> str:
        """How events call the identity."""
        return self._identity.key[:8]

    def _hold(self, held: HeldToken | None) -> None:
        if self._held is not None:
            self._remember(self._held.token)
        self._held = held
        if held is not None:  # else another source of the identity may have one
            self._memory.expires_at = held.token.expires_at
        # What the hot path reads, in one piece, so that no reader sees half of a change.
        self._snapshot = (held.token, *held.due) if held and self._certificate is None else (None, 0.0, 0.0)

    def _token_or_flight(self, refused: AccessToken | None, caller: Context | None = None) -> AccessToken | Flight:
        """Decide under the lock, act outside it: return a token to use or a renewal to wait for.

        Parameters:
            refused: a token that a protected API has refused.
            caller: the context that a renewal is done in for as long as who waits for it holds this.
        """
        caller = Context() if caller is None else caller
        self._keep_to_certificate()
        with self._lock:
            now, held, failure = self._clock.now(), self._held, self._failure
            blocked = failure is not None and not failure.until.reached(now)
            course = rules.course(held, refused, now, blocked, self._policy)
            after_refusal = token_refused.is_in_hand(refused, held)
            renewing = course in {Course.WAIT, Course.USE_AND_RENEW}
            is_urgent = course is Course.WAIT
            flight, work = self._join_or_start(held, after_refusal, is_urgent, caller) if renewing else (None, None)
        if flight is not None and course is Course.WAIT:
            flight.hurry() if work is None else do_here(flight, work)
        if course is Course.FAIL and failure is not None:
            raise another(failure.error) from failure.error
        if course is Course.WAIT and flight is not None:
            return flight
        assert held is not None  # noqa: S101  # the two courses that are left use the token in hand
        return held.token

    def _join_or_start(
        self, held: HeldToken | None, after_refusal: bool, is_urgent: bool, caller: Context
    ) -> tuple[Flight, Callable[[], None] | None]:
        """Return the renewal under way, or a new one, together with its work if no thread could be had for that."""
        if self._flight is not None:
            return self._flight, None
        flight = Flight()
        flight.observation = observer.OBSERVING.begin(self._name, is_awaited=is_urgent)
        if not self._start(flight, held, after_refusal, is_urgent, caller):
            # Nobody else waits for that: the caller may be interrupted in the middle of it.
            return flight, partial(self._renew, flight, held, after_refusal)
        # Known to others only once it is asked for: if this thread is interrupted, nobody waits for what never comes.
        self._flight = flight
        return flight, None

    def _start(
        self, flight: Flight, held: HeldToken | None, after_refusal: bool, is_urgent: bool, caller: Context
    ) -> bool:
        """Have the workers renew; return False where no thread can be had."""
        from dcrauth.engine.renewing import Renewing  # noqa: PLC0415  # imported by the constructor

        begin = partial(self._context, held.token if held else None, after_refusal)
        done_in = CallersContext(caller, is_waiting=is_urgent)
        ends = self._finish, self._end_badly
        flight.job = Renewing(self._driver, flight, begin, *ends, done_in, is_urgent=is_urgent)
        return WORKERS.submit(flight.job)

    def _end_badly(self, flight: Flight, error: DCRAuthError, begun: float) -> None:
        """Note how a renewal has failed; nobody waits for it any longer, whatever comes out of that."""
        try:
            self._fail(flight, error, begun)
        except BaseException as reason:
            # Not even how it ended could be noted.
            self._clear(flight)
            flight.finish(as_ours(reason))
            raise

    def _renew(self, flight: Flight, held: HeldToken | None, after_refusal: bool) -> None:
        """Renew on the caller's thread, whose business is what else is raised than an error of ours."""
        observer.turn(flight.observation, partial(self._renew_here, flight, held, after_refusal))

    def _renew_here(self, flight: Flight, held: HeldToken | None, after_refusal: bool) -> None:
        begun = self._monotonic()
        try:
            context = self._context(held.token if held else None, after_refusal)
            token = self._driver.renew(context, flight.give_way)
        except DCRAuthError as reason:
            self._fail(flight, reason, begun)
        else:
            self._finish(flight, token)

    def _context(self, instead_of: AccessToken | None, after_refusal: bool = False) -> "RenewalContext":
        from dcrauth.engine.effects import RenewalContext  # noqa: PLC0415  # imported by the constructor

        return RenewalContext(
            identity=self._identity,
            provider=self.provider,
            policy=self._policy,
            instead_of=instead_of,
            deadline=self._monotonic() + self._policy.timeout,
            chance=random.random,
            memory=self._memory,
            after_refusal=after_refusal,
            outlived=self._outlived,
        )

    def _suspect(self, token: AccessToken) -> None:
        from dcrauth.engine.effects import Suspicion  # noqa: PLC0415  # imported by the constructor

        with self._lock:
            client, now = self._memory.client, self._clock.now()
            if client is not None and token_refused.incriminates(token, self._held, now, self._policy):
                self._memory.suspicion = Suspicion(client.data, now.monotonic + token_refused.SUSPECT_FOR)

    def _finish(self, flight: Flight, token: AccessToken) -> None:
        from dcrauth.engine.client_updated import next_look  # noqa: PLC0415  # imported by the constructor

        now = self._clock.now()
        look = next_look(self.provider, self._memory, now)
        with self._lock:
            if flight.outdated:
                self._remember(token)
            else:
                self._hold(token_life.held(token, now, random.random(), self._policy).due_by(look))
                self._failure, self._outlived = None, None
            self._clear(flight)
        flight.finish(token)

    def _remember(self, token: AccessToken) -> None:
        """Have *token*, which is not in hand, known again when its header comes back, as one of the last ones."""
        self._given = with_token(self._given, token)

    def _fail(self, flight: Flight, error: DCRAuthError, begun: float) -> None:
        with self._lock:
            count = 1 + (self._failure.count if self._failure else 0)
            until = rules.next_try(error, count, self._clock.now(), random.random(), self._policy)
            error.retry_at = until.wall
            if not flight.outdated:
                self._failure = Failure(error, until, count, self.provider.statement_digest)
            self._clear(flight)
        flight.finish(error)
        self._emit(events.RenewalFailed(self._name, error, until.wall, self._monotonic() - begun, count))

    def _clear(self, flight: Flight) -> None:
        if self._flight is flight:
            self._flight = None

    def _after(self, flight: Flight, refused: AccessToken | None) -> AccessToken:
        """Return what a renewal that was waited for has brought, or what can stand in for it."""
        error = flight.outcome() or self._too_late()
        if isinstance(error, AccessToken):
            return error
        held = self._held
        if held is not None and rules.can_stand_in(held, refused, self._clock.now()):
            return held.token
        if (refusal := refusal_behind(error)) is not None:
            raise refusal
        raise another(error) from error

    def _too_late(self) -> ServerUnavailable:
        return ServerUnavailable(
            f"There was no token within {self._policy.timeout:g} s; the renewal goes on",
            retry_at=self._wall(),
        )

    def _emit(self, event: events.Event) -> None:
        self._driver.emit(event)
