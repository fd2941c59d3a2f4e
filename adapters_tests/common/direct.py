"""Token sources on a server without I/O, for tests of what a store's failure leads to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from adapters_tests.common.other_process import OtherProcess
from adapters_tests.common.world import World
from dcrauth import Clock, Store, TokenSource
from dcrauth.providers.protocol import Request, Response


class Server:
    """A server that answers at once, and remembers what it was asked.

    Parameters:
        on_registration: called before each registration.
        world: what it is in.
    """

    def __init__(self, on_registration: Callable[[], object] = lambda: None, world: World | None = None) -> None:
        self.world = World() if world is None else world
        self._on_registration = on_registration

    def send(self, request: Request) -> Response:
        if request.endpoint == self.world.provider.register_url:
            self._on_registration()
        return self.world.answer(request)

    def source(self, store: Store, **settings: Any) -> TokenSource:
        """Return a token source of a process that has just started."""
        return self.source_here(OtherProcess(store), **settings)

    def source_here(self, store: Store, **settings: Any) -> TokenSource:
        """Return one of this process, which knows what others of it know, on the store itself."""
        clock = Clock(sleep=lambda seconds: None)
        settings = {"transport": self, "clock": clock} | settings
        return TokenSource(settings.pop("provider", self.world.provider), store=store, **settings)
