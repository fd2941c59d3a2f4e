"""Which proxy the calls of a renewal go through, and why."""

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

from dcrauth.cli.findings import Finding, Word
from dcrauth.errors import ConfigurationError
from dcrauth.providers.origins import is_loopback
from dcrauth.transports._options import TransportOptions, with_scheme, without_user

_EXCEPT = ("no_proxy", "NO_PROXY")


def proxy_for(transport: TransportOptions, url: str) -> str | None:
    """Return the proxy for *url*, as the HTTP library reads the environment.

    Raises:
        ConfigurationError: what the environment names is no URL of a proxy.
    """
    try:
        proxy = transport.proxy_for(url)
        return None if proxy is None else _checked(with_scheme(proxy) or "")
    except ConfigurationError:
        raise
    except Exception as reason:  # each HTTP library has errors of its own for a proxy that it cannot use
        told = f"The environment names a proxy that cannot be used ({type(reason).__name__})"
    raise ConfigurationError(f"{told}: it is a URL such as http://proxy.example.com:3128")


def proxy_finding(
    transport: TransportOptions, url: str, proxy: str | None, environment: Mapping[str, str] = os.environ
) -> Finding:
    """Return which proxy is used for *url*, and what says so."""
    host, server = urlsplit(url).hostname or "", urlsplit(url).netloc
    if proxy is None:
        return Finding("proxy", Word.OK, f"none: {_why_none(transport, url, host, environment)}", about=server)
    return Finding(
        "proxy", Word.OK, f"{without_user(proxy)}, from {_source(transport, url, proxy, environment)}", about=host
    )


def _checked(proxy: str) -> str:
    parts = urlsplit(proxy)
    if not parts.hostname or parts.port == 0:
        raise ValueError(proxy)
    return proxy


def _names(url: str) -> tuple[str, ...]:
    scheme = urlsplit(url).scheme
    return f"{scheme}_proxy", f"{scheme}_proxy".upper(), "all_proxy", "ALL_PROXY"


def _source(transport: TransportOptions, url: str, proxy: str, environment: Mapping[str, str]) -> str:
    if transport.proxy:
        return "the settings of the transport"
    hosts = {name: urlsplit(with_scheme(environment.get(name)) or "").hostname for name in _names(url)}
    wanted = urlsplit(proxy).hostname
    found = next((name for name, host in hosts.items() if host == wanted), None)
    return f"the environment variable {found}" if found else "the settings of the system"


def _why_none(transport: TransportOptions, url: str, host: str, environment: Mapping[str, str]) -> str:
    if is_loopback(host):
        return "nothing for this machine goes through one"
    if transport.proxy == "":
        return "the settings of the transport say so"
    named = next((name for name in _names(url) if environment.get(name)), None)
    if named is None:
        return "no environment variable names one"
    exempt = next((name for name in _EXCEPT if environment.get(name)), None)
    return f"{named} is set, and {exempt} excepts this host" if exempt else f"{named} is set, and is not used"
