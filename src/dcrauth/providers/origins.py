"""Where a secret may go: the origins of URLs, and the rule that they are secure."""

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import SplitResult, urlsplit, urlunsplit

from dcrauth._internal.arguments import check_text, wrong
from dcrauth.errors import ConfigurationError

_PORTS = {"http": 80, "https": 443}
_NAME = re.compile(r"[a-z0-9._-]+")
_LONGEST = 500
_SAME_AS = {"ws": "http", "wss": "https"}


class Origin(NamedTuple):
    """Scheme, host and effective port of a URL (RFC 6454 §4), with ``ws`` read as ``http``."""

    scheme: str
    host: str
    port: int


def origin(scheme: str, host: str, port: int | None) -> Origin:
    """Return the origin of a URL's parts.

    Parameters:
        scheme: in lower case.
        host: as it goes on the wire. An international name has more than one reading (IDNA 2003, IDNA 2008, UTS #46),
            so it is never decoded or encoded here.
        port: None for the scheme's own.
    """
    scheme = _SAME_AS.get(scheme, scheme)
    return Origin(scheme, _one_form(host.lower()), _PORTS.get(scheme, 0) if port is None else port)


def origin_of(url: str) -> Origin:
    """Return the origin of an absolute URL.

    Raises:
        ConfigurationError: *url* has no host, one that is not ASCII, or an impossible port.
    """
    parts = _parsed(url, "URL")
    return origin(parts.scheme.lower(), parts.hostname or "", parts.port)


def secure_url(url: str, what: str) -> str:
    """Return *url* without a trailing slash, if secrets may be sent to it.

    Parameters:
        url: an absolute ``https`` URL; ``http`` is accepted on loopback addresses only (RFC 6749 §3.2, RFC 6750 §5.3).
        what: the name of the setting, for the error's text.

    Raises:
        ConfigurationError: the URL is not absolute, not secure, has a host that is not ASCII, or holds a user name, a
            query or a fragment.
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


def url_list(protects: object) -> Iterable[str]:
    """Return *protects* if it is a list of URLs.

    Raises:
        ConfigurationError: it is none.
    """
    if isinstance(protects, str):
        raise ConfigurationError("protects must be a list of URLs, not one URL: write [url]")
    if isinstance(protects, type) or not isinstance(protects, Iterable):
        raise wrong("protects", "a list of URLs", protects)
    return protects


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


def _one_form(host: str) -> str:
    """Return *host* with an IPv6 address in the form of RFC 5952: some HTTP libraries shorten it, others do not."""
    if ":" not in host:
        return host
    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
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
    parts = _split(url)
    if parts is None:
        raise ConfigurationError(f"{what} is not an absolute URL such as https://api.example.com")
    if not (parts.hostname or "").isascii():
        raise ConfigurationError(
            f"{what} has a host that is not ASCII, which HTTP libraries do not all read alike; give its xn-- form "
            "(for faß.de that is xn--fa-hia.de), which idna.encode(host) returns"
        )
    return parts


def _split(url: str) -> SplitResult | None:
    """The parts of *url*, or None if it has no host, an impossible one or an impossible port."""
    try:
        parts = urlsplit(url)
        sound = parts.port != 0 and _is_plain(url) and _has_host(parts)
    except ValueError:
        return None
    return parts if sound else None


def _has_host(parts: SplitResult) -> bool:
    """Whether the host is a name that is sent as it stands here, or an IP address without a zone."""
    host = parts.hostname or ""
    if "[" in parts.netloc:
        return "%" not in host and ipaddress.ip_address(host).version == 6
    return _NAME.fullmatch(host) is not None or not host.isascii()
