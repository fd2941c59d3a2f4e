"""What all transports have in common: their options, and what those say about proxies and certificates."""

import os
import ssl
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from typing import Any, ClassVar
from urllib.parse import urlsplit

from dcrauth._internal.arguments import check_seconds, check_text, path_of, wrong
from dcrauth._internal.confidential import discreet_constructor, unfailing
from dcrauth.errors import ConfigurationError, ServerUnavailable
from dcrauth.providers.origins import is_loopback
from dcrauth.transports._connections import KeptConnections
from dcrauth.transports._intake import told
from dcrauth.transports._sharing import SHARING, Kept, Shared
from dcrauth.transports._tls import no_password, openssl_authorities, openssl_context, trusting

_PROXIES = {"http", "https", "socks4", "socks4a", "socks5", "socks5h"}


@discreet_constructor
@dataclass(frozen=True, kw_only=True, repr=False)
class TransportOptions:
    """The options of every transport.

    Transports of one class with equal options share their TLS contexts and the connections that are kept for a few
    seconds after a call; a registration always gets a new one.

    Parameters:
        proxy: URL of a proxy; None for the one that the environment names, "" for none at all. For ``socks5://`` and
            the like, the HTTP library needs an extra of its own; aiohttp knows HTTP proxies only. What goes to this
            machine itself goes through no proxy but one on this machine.
        ca_bundle: path of a file or directory of trusted certificates, in place of the HTTP library's own. It is read
            again when it has changed.
        client_certificate: path of a file with certificate and key, or the paths of both; read again when changed.
        trust_env: whether proxies and certificates of the environment are used, as the HTTP library itself uses them
            (aiohttp when its session has ``trust_env=True``).
        connect_timeout: seconds to wait for a connection.
        read_timeout: seconds to wait for each part of the answer.
        total_timeout: seconds for the whole answer.

    Raises:
        ConfigurationError: the proxy is no such URL, or another option is of a kind that will not do.
    """

    proxy: str | None = None
    ca_bundle: str | os.PathLike[str] | None = None
    client_certificate: str | os.PathLike[str] | tuple[str, str] | None = None
    trust_env: bool = True
    connect_timeout: float = 5.0
    read_timeout: float = 10.0
    total_timeout: float = 15.0
    _shared: Shared = field(init=False, repr=False, compare=False)

    _keeps: ClassVar[type[Kept]] = KeptConnections

    def __post_init__(self) -> None:
        if self.proxy is not None:
            check_text(self.proxy, "proxy")
        if self.proxy and not _is_proxy(self.proxy):
            raise ConfigurationError("The proxy of a transport is a URL such as http://proxy.example.com:3128")
        if self.ca_bundle not in (None, ""):
            object.__setattr__(self, "ca_bundle", path_of(self.ca_bundle, "ca_bundle"))
        self._own_certificate()
        if not isinstance(self.trust_env, bool):
            raise wrong("trust_env", "True or False", self.trust_env)
        for name in ("connect_timeout", "read_timeout", "total_timeout"):
            check_seconds(getattr(self, name), name)
        self._share()

    def _share(self) -> None:
        key = (type(self), *(getattr(self, each.name) for each in fields(self) if each.compare))
        object.__setattr__(self, "_shared", SHARING.find(key, type(self)._keeps))

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_shared"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self._share()

    def close(self) -> None:
        """Close the connections that are kept, also those of other transports with equal options.

        The next call opens a new one. Nobody has to: they are closed a few seconds after their last use, and at exit.
        """
        self._shared.kept.empty()

    @unfailing
    def __repr__(self) -> str:
        shown = {each.name: getattr(self, each.name) for each in fields(self) if each.repr}
        if self.proxy:
            shown["proxy"] = without_user(self.proxy)
        return f"{type(self).__name__}({', '.join(f'{name}={value!r}' for name, value in shown.items())})"

    def proxy_for(self, url: str) -> str | None:
        """Return the proxy to use for *url*, if any.

        Raises:
            ConfigurationError: as `check_endpoint` does.
        """
        self.check_endpoint(url)
        if is_loopback(urlsplit(url).hostname or ""):
            return self.proxy if self.proxy and _is_here(self.proxy) else None
        if self.proxy is not None:
            return self.proxy or None
        return self._environment_proxy(url) if self.trust_env else None

    def check_endpoint(self, url: str) -> None:
        """Make sure that the proxy of these options does not see in plain text what is sent to *url*.

        Raises:
            ConfigurationError: it would.
        """
        if self.proxy and url.lower().startswith("http:") and not _is_here(self.proxy):
            raise ConfigurationError(
                "The proxy of the transport would see in plain text what is sent to a provider at an http:// URL; give "
                'proxy="", as nothing for this machine goes through a proxy, or name a proxy on loopback'
            )

    def _environment_proxy(self, url: str) -> str | None:
        """The proxy that the environment names for *url*, as the HTTP library reads it; here as Python itself does."""
        parts = urlsplit(url)
        if urllib.request.proxy_bypass(parts.hostname or ""):
            return None
        found = urllib.request.getproxies()
        return with_scheme(found.get(parts.scheme) or found.get("all"))

    def tls_context(self, *, own_certificate: bool = True) -> ssl.SSLContext:
        """Return the TLS context for a call: the same one each time, until a certificate in it is replaced.

        Parameters:
            own_certificate: whether the client certificate is in it, if there is one.

        Raises:
            ServerUnavailable: a certificate cannot be read, which may be while it is being replaced.
        """
        own = self._own_certificate() if own_certificate else ()
        files = (*((self.ca_bundle,) if self.ca_bundle else self._library_authorities()), *own)
        try:
            return self._shared.contexts.get(files, lambda: self._new_context(own))
        except OSError as reason:
            places = ", ".join(os.fspath(each) for each in files)
            failure = ServerUnavailable(f"The certificates in {places} cannot be used: {told(reason)}")
        raise failure

    def certificate_thumbprint(self) -> str:
        """Return what tells the client certificate from others; "" where there is none, or none that can be used.

        Each time it is looked whether the files are the same, and no more: they are read when they are not. As long as
        certificate and key are not of one pair, as in the middle of a swap, it is what it was.
        """
        return self._shared.thumbprint.of(self._own_certificate())

    def _new_context(self, own: Sequence[str]) -> ssl.SSLContext:
        context = trusting(self.ca_bundle) if self.ca_bundle else self._library_context()
        if own:
            context.load_cert_chain(own[0], own[-1], no_password)
        return context

    def _library_context(self) -> ssl.SSLContext:
        """Make a context that trusts whom the HTTP library trusts."""
        return openssl_context(trust_env=self.trust_env)

    def _library_authorities(self) -> tuple[str, ...]:
        """The files that such a context is made of, as far as they can change."""
        return openssl_authorities(trust_env=self.trust_env)

    def _own_certificate(self) -> tuple[str, ...]:
        own = self.client_certificate
        if not own:
            return ()
        if not isinstance(own, tuple):
            return (path_of(own, "client_certificate"),)
        if len(own) != 2:
            raise wrong("client_certificate", "the path of a file, or a pair of paths", own)
        return tuple(path_of(each, "client_certificate") for each in own)


def speaks_tls(proxy: str) -> bool:
    """Return whether a proxy is itself reached by TLS, and so is to be verified."""
    return proxy.lower().startswith("https:")


def with_scheme(proxy: str | None) -> str | None:
    """Return a proxy of the environment as a URL: there it may lack its scheme."""
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def _is_here(proxy: str) -> bool:
    return is_loopback(urlsplit(proxy).hostname or "")


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port  # which is looked at only now
    except ValueError:
        return False
    return parts.scheme in _PROXIES and bool(parts.hostname)


def without_user(url: str) -> str:
    """Return *url* without a user name and a password."""
    scheme, mark, rest = url.partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"
