"""One environment of the simulated service: applications, clients and tokens of its own, at a URL of its own."""

import re
import uuid
from collections.abc import Callable, Iterable
from typing import Any

from dcrauth._internal.confidential import unfailing
from dcrauth.errors import ConfigurationError
from dcrauth.simulator import api
from dcrauth.simulator.fields import as_said, texts
from dcrauth.simulator.registry import Registry
from dcrauth.simulator.throttle import Throttle
from dcrauth.simulator.world import World

APPLICATION = "c46ab0ba-7b7a-4a5f-8d2f-5a5e1d9a6f10"
"""The application that the usual environment always has; each other one has its own, as with Adobe."""

_NAME = re.compile(r"[a-z][a-z0-9-]*")
_TAKEN = frozenset({"api", "o", "control", "mvpd"})


class Environment:
    """Made by `Simulator.environment`; what is registered in one is unknown in all others.

    Parameters:
        name: its name, and the first segment of its paths; empty for the one that is always there.
        url: base URL for a provider.
        clock: returns seconds since the epoch.
        world: what REST API v2 is about.

    Raises:
        ConfigurationError: *name* cannot be one.
    """

    def __init__(self, name: str, url: str, clock: Callable[[], float], world: World) -> None:
        as_said(name, str, "environment")
        if name and (not _NAME.fullmatch(name) or name in _TAKEN):
            raise ConfigurationError(
                f"{name!r} is no name of an environment: it has small letters, digits and hyphens, begins with a "
                f"letter, and is none of {', '.join(sorted(_TAKEN))}"
            )
        self.name = name
        self.url = url
        self._registry = Registry(clock, world)
        self._throttle = Throttle(clock)
        self.application = str(uuid.uuid5(uuid.UUID(APPLICATION), name)) if name else APPLICATION
        self.software_statement = self.statement(self.application)

    @unfailing
    def __repr__(self) -> str:
        return f"<Environment {self.name!r} at {self.url}>"

    def statement(
        self,
        sub: str,
        *,
        scopes: Iterable[str] = (api.SCOPE,),
        service_providers: Iterable[str] | None = None,
        redirect_domains: Iterable[str] = (),
    ) -> str:
        """Return a software statement of the application *sub*, which is made if there is none.

        Parameters:
            scopes: what its tokens are good for.
            service_providers: those it is linked to; None for all.
            redirect_domains: hosts that its redirect URI may have; empty for any.

        Raises:
            ConfigurationError: one of these is of another type.
        """
        providers = None if service_providers is None else texts(service_providers, "service_providers")
        return self._registry.statement(
            as_said(sub, str, "sub"),
            texts(scopes, "scopes"),
            providers,
            texts(redirect_domains, "redirect_domains"),
        )

    def expire_tokens(self) -> None:
        """Make all tokens expired as of now, although they claim to live longer."""
        self._registry.expire_tokens()

    def revoke_tokens(self) -> None:
        """Refuse all tokens that were granted so far."""
        self._registry.revoke_tokens()

    def revoke_clients(self) -> None:
        """Forget all clients, and refuse their tokens."""
        self._registry.revoke_clients()

    def revoke_statement(self, sub: str | None = None) -> None:
        """Refuse the statements of an application, its clients and their tokens.

        Parameters:
            sub: which; None for the one that is always there.

        Raises:
            ConfigurationError: there is no such application.
        """
        self._set_revoked(sub, revoked=True)

    def reinstate_statement(self, sub: str | None = None) -> None:
        """Take back what `revoke_statement` did; for the rest see there."""
        self._set_revoked(sub, revoked=False)

    def log_in(self, code: str, user: str) -> None:
        """Log *user* in, as on the page to which the session of *code* leads.

        Raises:
            ConfigurationError: there is no such session, or no such user of its MVPD.
        """
        self._registry.log_in(as_said(code, str, "code"), as_said(user, str, "user"))

    def expire_profiles(self) -> None:
        """Make all profiles expired as of now: users have to log in again."""
        self._registry.state.end_profiles()

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """Return what it knows, as JSON values, the latest first and no secret among them."""
        registry = self._registry
        return registry.snapshot() | registry.state.snapshot() | {"throttled": self._throttle.snapshot()}

    def _set_revoked(self, sub: str | None, *, revoked: bool) -> None:
        as_said(sub, str | None, "sub")
        try:
            self._registry.set_revoked(self.application if sub is None else sub, revoked=revoked)
        except KeyError:
            raise ConfigurationError(f"there is no application {sub!r}; statement({sub!r}) makes one") from None
