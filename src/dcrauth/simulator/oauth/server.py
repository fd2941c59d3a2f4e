"""The authorization server itself: what it is made with."""

import ssl
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, ClassVar, Self

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.control import Controls
from dcrauth.simulator.fields import as_said, check_kind
from dcrauth.simulator.oauth.behaviour import OAuthBehaviour
from dcrauth.simulator.oauth.messages import OAuthCounts
from dcrauth.simulator.oauth.orders import CONTROLS
from dcrauth.simulator.oauth.run import OAuthRun
from dcrauth.simulator.oauth.service import OAuthService
from dcrauth.simulator.oauth.settings import OAuthSettings
from dcrauth.simulator.scenario import Scenario
from dcrauth.simulator.serving import Serving


class OAuthSimulator(Serving[OAuthBehaviour, OAuthCounts, OAuthRun], OAuthService):
    """An OAuth authorization server and a protected API on loopback; use it with ``with``, or `start` and `stop`.

    It has metadata documents (RFC 8414, OpenID Discovery), registration (RFC 7591) and its management (RFC 7592),
    ``client_credentials`` (RFC 6749) with secrets, assertions (RFC 7523) or certificates (RFC 8705), resources (RFC
    8707), and refuses as RFC 6750 says.

    Parameters:
        behaviour: its switches; may be replaced while it runs.
        host: loopback address to listen on: 127.0.0.1, ::1 or localhost.
        port: port to listen on; 0 for any that is free.
        base_path: what all its paths begin with, such as ``/tenant``: its issuer has a path then.
        names: host names by which it may be called, beside those of loopback; a certificate is good for them too.
        tls: makes it speak HTTPS, with a certificate of an `authority` that lasts as long as it, and take
            certificates of clients from `client_certificate`.
        ssl_context: makes it speak HTTPS, with a certificate of your own.
        scenario: what goes wrong, from the start on and again after each `reset`.
        clock: returns seconds since the epoch.

    Raises:
        ConfigurationError: one of these is wrong, or it cannot listen there, as where the port is in use.
    """

    _controls: ClassVar[Controls] = CONTROLS

    def __init__(
        self,
        behaviour: OAuthBehaviour | None = None,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        base_path: str = "",
        names: Iterable[str] = (),
        tls: bool = False,
        ssl_context: ssl.SSLContext | None = None,
        scenario: Scenario | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._behaviour = OAuthBehaviour() if behaviour is None else behaviour
        check_kind(self._behaviour, OAuthBehaviour, "behaviour")
        super().__init__(
            host=host,
            port=port,
            base_path=base_path,
            names=names,
            tls=tls,
            ssl_context=ssl_context,
            scenario=scenario,
            clock=clock,
        )
        if self._authority is not None:
            self._authority.take_clients()

    @classmethod
    def from_toml(cls, path: str | Path, **changes: Any) -> Self:
        """Return a server with the settings of a TOML file; docs/simulator.md has an example.

        Parameters:
            changes: parameters that take the place of what the file says.

        Raises:
            ConfigurationError: there is no such file, or what it says is wrong.
        """
        settings = OAuthSettings.from_toml(path)
        return cls(**settings.parameters() | changes)._furnished(settings.furnish)

    def client_certificate(self, name: str = "client") -> bytes:
        """Return a new certificate of a client, followed by its key, in PEM; each one is another.

        Parameters:
            name: its subject is ``CN=`` and this, and a DNS name of it is this.

        Raises:
            ConfigurationError: it does not speak HTTPS with certificates of its own (``tls=True``), or there is
                no certificate for such a name.
        """
        as_said(name, str, "name")
        if self._authority is None:
            raise ConfigurationError("Certificates of clients need OAuthSimulator(tls=True)")
        return self._authority.client_certificate(name)

    def _first_run(self) -> OAuthRun:
        arguments = (self._behaviour, self.url, self._base_path, self._time, self._changed)
        return OAuthRun(*arguments, act=self._act)
