"""Where a secret may go: the origins of URLs, and the rule that they are secure."""

import ipaddress
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit

from dcrauth._arguments import check_text
from dcrauth.errors import ConfigurationError

_PORTS = {"http": 80, "https": 443}
_LONGEST = 500
_SAME_AS = {"ws": "http", "wss": "https"}


class Origin(NamedTuple):
    """Scheme, host and effective port of a URL (RFC 6454 §4), with ``ws`` read as ``http``."""

    scheme: str
    host: str
    port: int


def origin(scheme: str, host: str, port: int | None) -> Origin:
    """Return the origin of a URL's parts; *port* may be None for the scheme's own."""
    scheme = _SAME_AS.get(scheme, scheme)
    return Origin(scheme, _ascii(host.lower()), port or _PORTS.get(scheme, 0))


def origin_of(url: str) -> Origin:
    """Return the origin of an absolute URL.

    Raises:
        ConfigurationError: *url* has no host or an impossible port.
    """
    parts = _parsed(url, "URL")
    return origin(parts.scheme.lower(), parts.hostname or "", parts.port)


def secure_url(url: str, what: str) -> str:
    """Return *url* without a trailing slash, if secrets may be sent to it.

    Parameters:
        url: an absolute ``https`` URL; ``http`` is accepted on loopback addresses only (RFC 6749 §3.2, RFC 6750 §5.3).
        what: the name of the setting, for the error's text.

    Raises:
        ConfigurationError: the URL is not absolute, not secure, or holds a user name, a query or a fragment.
    """
    parts = _parsed(url, what)
    if parts.username is not None or parts.password is not None:
        raise ConfigurationError(f"{what} must not hold a user name or password; remove the part before '@'")
    if "?" in url or "#" in url:
        raise ConfigurationError(f"{what} must not hold a query or a fragment: give the part before '?' or '#'")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_loopback(parts.hostname or "")):
        raise ConfigurationError(
            f"{what} is {parts.scheme:.20}://{parts.hostname:.80}: secrets are sent over https only "
            "(http is accepted for loopback addresses); use an https:// URL"
        )
    return url.rstrip("/")


def usual_spelling(url: str) -> str:
    """Return *url* with scheme and host in lower case and without a default port (RFC 3986 §6.2.2.1, §6.2.3).

    What is no URL has one spelling only, and is returned as it is.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return url
    if not host:
        return url
    user, at, _ = parts.netloc.rpartition("@")
    place = f"[{host}]" if ":" in host else host
    number = "" if port in {None, _PORTS.get(parts.scheme)} else f":{port}"
    return urlunsplit(parts._replace(netloc=f"{user}{at}{place}{number}"))


def is_loopback(host: str) -> bool:
    """Return whether *host* is this machine itself: ``localhost`` or a loopback address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def prefixes(origins: Iterable[Origin]) -> tuple[str, ...]:
    """Return the beginnings of normalised URLs that certainly belong to one of *origins*."""
    return tuple(_prefix(each) for each in origins)


def spellings(origins: Iterable[Origin]) -> frozenset[tuple[str, str, int | None]]:
    """Return *origins* as the parts of a URL, where a default port may be given as None."""
    usual = {(each.scheme, each.host, None) for each in origins if each.port == _PORTS[each.scheme]}
    return frozenset(usual.union(origins))


def _ascii(host: str) -> str:
    """Return *host* as it is looked up: some HTTP libraries show an international name, others its ASCII form."""
    try:
        return host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return host


def _prefix(each: Origin) -> str:
    host = f"[{each.host}]" if ":" in each.host else each.host
    port = "" if each.port == _PORTS[each.scheme] else f":{each.port}"
    return f"{each.scheme}://{host}{port}/"


def _is_plain(url: str) -> bool:
    """Whether all HTTP libraries read *url* alike: some drop line breaks, some take a backslash for a slash."""
    return url.isprintable() and not {" ", "\\"} & set(url) and len(url) <= _LONGEST


def _parsed(url: str, what: str) -> SplitResult:
    check_text(url, what)
    try:
        parts = urlsplit(url)
        if parts.hostname and parts.port != 0 and _is_plain(url):
            return parts
    except ValueError:
        """An impossible host or port, of which the error below says all that is needed."""
    raise ConfigurationError(f"{what} is not an absolute URL such as https://sp.auth.adobe.com")
