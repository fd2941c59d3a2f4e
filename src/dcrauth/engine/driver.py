"""Performing what a renewal asks for, against a real store, a real transport and a real clock."""

import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from dcrauth.credentials import AccessToken
from dcrauth.engine import observer
from dcrauth.engine.calls import CALLS, Calls
from dcrauth.engine.client_updated import unregistered
from dcrauth.engine.clock import Clock
from dcrauth.engine.effects import (
    Claim,
    Delete,
    Effect,
    Emit,
    Now,
    Release,
    RenewalContext,
    ReportOutcome,
    Send,
    Sleep,
    Steps,
)
from dcrauth.engine.foreign_errors import discreetly, guarded, without_frames
from dcrauth.engine.identity import whose_token
from dcrauth.engine.incident_breaker import IncidentBreaker
from dcrauth.engine.job import Wait
from dcrauth.engine.refused_statements import REFUSALS, Refusals
from dcrauth.engine.renewal import glimpsed, renewal, unlocked
from dcrauth.engine.store_effects import performed, watched
from dcrauth.engine.store_repair import forgotten, restored
from dcrauth.errors import DCRAuthError, ServerUnavailable, StoreUnavailable
from dcrauth.events import Event, StoreProblem
from dcrauth.providers.protocol import Request, Response
from dcrauth.stores import Store
from dcrauth.transports import Transport

T = TypeVar("T")


@dataclass(frozen=True)
class Driver:
    """Runs a renewal to its end.

    Parameters:
        store: where records are kept.
        transport: what sends the calls.
        clock: what time it is.
        emit: called with each event.
        breaker: what the identities of this process were told by the token endpoint.
        refusals: what they were told by registration endpoints about their statements.
        calls: which of their calls may be made now.
    """

    store: Store
    transport: Transport
    clock: Clock
    emit: Callable[[Event], None]
    breaker: IncidentBreaker
    refusals: Refusals = REFUSALS
    calls: Calls = CALLS

    def renew(self, context: RenewalContext, give_way: Callable[[], None]) -> AccessToken:
        """Return a token for *context*: one that a peer has stored, or, under the store's lock, a new one for all.

        Parameters:
            give_way: called at once, as this thread may have been started in the middle of a request, and before each
                effect.
        """
        give_way()
        try:
            return discreetly(lambda: self._renew(context, give_way))
        except DCRAuthError:
            raise
        except BaseException:
            self.refusals.abandon(self.statement(context.provider.register_url, context.provider.statement_digest))
            raise
        finally:
            self.take_back(context)

    def _renew(self, context: RenewalContext, give_way: Callable[[], None]) -> AccessToken:
        def perform(effect: Effect) -> Any:
            give_way()
            if isinstance(effect, Claim):
                return self.claimed(context, effect)
            if isinstance(effect, Send):
                self.notes_registration(context, effect.request)
            return self.perform(effect)

        found = self.begun(context, None, perform, lambda error: carried_out(unlocked(context, error), perform))
        assert not isinstance(found, Wait)  # noqa: S101  # it waits where it is
        return found

    def begun(
        self,
        context: RenewalContext,
        wait: float | None,
        perform: Callable[[Effect], Any],
        without_lock: Callable[[StoreUnavailable], AccessToken | Wait],
    ) -> AccessToken | Wait:
        """Take the token of a peer, or begin a renewal under the store's lock; return what comes of it.

        Parameters:
            wait: for how long to wait for the lock, in seconds; 0 only tries, None waits as the policy says.
            perform: performs each effect.
            without_lock: goes on where the lock cannot be had.
        """
        token = carried_out(glimpsed(context), perform)
        if token is not None:
            return token
        with ExitStack() as held:
            try:
                held.enter_context(self.locked(context, wait))
            except StoreUnavailable as error:
                return without_lock(error)
            return carried_out(renewal(context), perform)

    def claimed(
        self, context: RenewalContext, effect: Claim, wake: Callable[[], object] | None = None
    ) -> tuple[DCRAuthError, float] | bool:
        """Ask whether to show a statement, as `Refusals.claim` says; a renewal counts as one registration at most."""
        refusals, progress = self.refusals, context.progress
        claim = refusals.claim_again if progress.is_counted else refusals.claim
        found = claim(self.statement(effect.endpoint, effect.statement), self.clock.monotonic(), wake)
        progress.is_counted = progress.is_counted or found is True
        return found

    @staticmethod
    def notes_registration(context: RenewalContext, request: Request) -> bool:
        """Note that *request* is about to be sent for a renewal; return whether it registers."""
        context.progress.is_registering = context.progress.is_registering or request.registers
        return request.registers

    def take_back(self, context: RenewalContext) -> None:
        """Count no registration for a renewal that ends, or waits, without having sent one."""
        progress = context.progress
        if progress.is_counted and not progress.is_registering:
            progress.is_counted = False
            self.refusals.unsent()

    def forget(self, context: RenewalContext, *, unregister: bool = False) -> bool:
        """Delete the credentials of *context* on purpose, under the store's lock; return whether there were any.

        Parameters:
            unregister: whether the server is to delete the client first; if it does not, nothing is deleted.
        """
        return discreetly(lambda: self._forget(context, unregister))

    def _forget(self, context: RenewalContext, unregister: bool) -> bool:
        with self.locked(context):
            found = self.run(unregistered(context) if unregister else forgotten(context))
            if hasattr(context.provider, "token_key"):
                self._forget_other_tokens(context)
            return found

    def _forget_other_tokens(self, context: RenewalContext) -> None:
        """Delete the tokens of the same client for other scopes, listed nowhere else, and what flows have kept."""
        mine = context.identity.key
        keys = watched(self.store, lambda: [key for key in self.store.keys() if whose_token(key) == mine])
        for key in (*keys, context.identity.kept, context.identity.asked):
            self.perform(Delete(key))

    def restore(self, context: RenewalContext) -> bool:
        """Put the credentials of *context* that were kept aside last back in use; return whether there were any."""
        return discreetly(lambda: self._restore(context))

    def _restore(self, context: RenewalContext) -> bool:
        with self.locked(context):
            return self.run(restored(context))

    @contextmanager
    def locked(self, context: RenewalContext, wait: float | None = None) -> Iterator[None]:
        """Hold the store's lock; raise StoreUnavailable if it cannot be had, and nothing if it cannot be let go.

        Parameters:
            wait: for how long to wait for it, in seconds; 0 only tries.
        """
        key, wait = context.identity.key, context.policy.lock_wait if wait is None else wait
        lock = guarded(StoreUnavailable, "store", lambda: self.store.lock(key, wait=wait))
        guarded(StoreUnavailable, "store", lock.__enter__)
        process = os.getpid()
        try:
            yield
        finally:
            try:
                if os.getpid() == process:  # else it is a parent's, which goes on to hold it
                    guarded(StoreUnavailable, "store", lambda: lock.__exit__(None, None, None))
            except DCRAuthError as problem:
                # What was done under the lock is done: it saves calls, and nothing rests on it.
                self.emit(StoreProblem(context.name, problem))

    def run(self, steps: Steps[T], give_way: Callable[[], None] = lambda: None) -> T:
        """Perform the effects of *steps* in order, each after a call of *give_way*, and return its result."""
        found = carried_out(steps, self._after(give_way))
        assert not isinstance(found, Wait)  # noqa: S101  # it waits where it is
        return found

    def _after(self, give_way: Callable[[], None]) -> Callable[[Effect], Any]:
        """Return what performs an effect after a call of *give_way*."""

        def perform(effect: Effect) -> Any:
            give_way()
            return self.perform(effect)

        return perform

    def perform(self, effect: Effect) -> Any:
        """Do what *effect* says, and return its result."""
        match effect:
            case Now():
                return self.clock.now()
            case Sleep():
                return self.clock.sleep(effect.seconds)
            case Emit():
                return self.emit(effect.event)
            case ReportOutcome() | Claim() | Release():
                return self._among_identities(effect, self.clock.now().monotonic)
            case Send():
                return self.sent(effect.request)
            case _:
                return watched(self.store, lambda: performed(effect, self.store, self.clock.monotonic))

    def sent(self, request: Request) -> Response:
        """Return the answer to *request*."""
        return observer.call(
            request, lambda: guarded(ServerUnavailable, "transport", lambda: self.transport.send(request))
        )

    def _among_identities(self, effect: ReportOutcome | Claim | Release, now: float) -> Any:
        """Ask for, or note, what the identities of this process know of their server."""
        match effect:
            case ReportOutcome():
                return self.breaker.report(effect.identity, now, refused=effect.refused)
            case Claim():
                return self.refusals.claim(self.statement(effect.endpoint, effect.statement), now)
            case Release():
                key = self.statement(effect.endpoint, effect.statement)
                return self.refusals.release(key, now, effect.refusal, effect.seconds)

    def statement(self, endpoint: str, digest: str) -> Hashable:
        """How those who know of refused statements call one: moments of two clocks say nothing to each other."""
        return endpoint, digest, self.clock


def carried_out(steps: Steps[T], perform: Callable[[Effect], Any]) -> T | Wait:
    """Have the effects of *steps* performed in order, and return what comes of them; the first `Wait` ends them."""
    result: Any = None
    error: DCRAuthError | None = None
    while True:
        try:
            effect = steps.send(result) if error is None else steps.throw(error)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
        result = error = None
        try:
            result = perform(effect)
        except DCRAuthError as reason:
            error = without_frames(reason)
        if isinstance(result, Wait):
            steps.close()
            return result
