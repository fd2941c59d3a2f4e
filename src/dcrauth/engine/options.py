"""What the token sources of one identity or of many have in common."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field

from dcrauth.engine.clock import Clock, default_clock
from dcrauth.engine.driver import Driver
from dcrauth.engine.event_dispatch import Listener, log
from dcrauth.engine.identity import Identity
from dcrauth.engine.incident_breaker import breaker_of
from dcrauth.engine.known import KNOWN, Known
from dcrauth.engine.observer import OBSERVING
from dcrauth.engine.refused_statements import REFUSALS, Refusals
from dcrauth.events import Event
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Provider
from dcrauth.stores import Store, place_of, watch_forks
from dcrauth.transports import Transport, check_proxy, default_transport, thumbprint_of


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """The settings of token sources, with what follows from them.

    Parameters:
        policy: how early, how often and how long.
        clock: where time comes from.
        listener: who is told of events, if anybody is.
        driver: what performs renewals.
        place: what tells the storage from others.
    """

    policy: Policy
    clock: Clock
    listener: Listener | None
    driver: Driver = field(repr=False)
    place: Hashable = field(repr=False)

    @classmethod
    def of(
        cls,
        provider: Provider,
        store: Store,
        transport: Transport | None,
        policy: Policy | None,
        on_event: Callable[[Event], None] | None,
        clock: Clock | None,
        refusals: Refusals = REFUSALS,
    ) -> "SourceOptions":
        """Return the options that these settings come to; nothing but a proxy is checked here."""
        watch_forks(store)
        check_proxy(transport, provider.register_url, provider.token_url)
        time = default_clock() if clock is None else clock
        listener = None if on_event is None else Listener(on_event)
        driver = Driver(
            store,
            default_transport() if transport is None else transport,
            time,
            Emitter(listener).emit,
            breaker_of(provider.token_url),
            refusals,
        )
        return cls(Policy() if policy is None else policy, time, listener, driver, place_of(store))

    def certificate_of(self, provider: Provider) -> Callable[[], str] | None:
        """Return what tells the certificate that tokens of *provider* are bound to; None where there is none."""
        return thumbprint_of(self.driver.transport) if getattr(provider, "certificate_bound", False) else None

    def known(self, identity: Identity) -> Known:
        """Return what this process knows of an identity."""
        return KNOWN.of(self.place, self.clock, identity)


@dataclass(frozen=True, slots=True)
class Emitter:
    """Tells all that listen of events; it holds no source, so that one which nobody holds is gone at once."""

    listener: Listener | None

    def emit(self, event: Event) -> None:
        """Let the application know of *event*."""
        log(event)
        if self.listener is not None:
            self.listener.emit(event)
        OBSERVING.told(event)
