"""The way to a server, step by step: its name, a connection, the proxy in between, its certificate.

Each step is tried by itself, so that what is to blame is told apart; what comes after a step that failed is not tried.
"""

import base64
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from dcrauth._internal.strict_json import printable
from dcrauth.cli.findings import Finding, Word
from dcrauth.errors import ServerUnavailable
from dcrauth.transports._lookups import LOOKUPS, Address
from dcrauth.transports._options import TransportOptions, speaks_tls
from dcrauth.transports._tls import openssl_authorities

_PORTS = {"http": 80, "https": 443}
_LONGEST_HEAD = 65_536

_NOT_YET_VALID, _EXPIRED = 9, 10  # X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED
_UNKNOWN_AUTHORITY = frozenset({2, 18, 19, 20, 21})  # X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT and those like it

_ADVICE_DNS = "check the network, the VPN and the name servers of this machine, and the spelling of base_url"
_ADVICE_TCP = "check the network, and whether a firewall wants calls to go through a proxy (HTTPS_PROXY)"
_ADVICE_TLS = "check the port in base_url, and whether something in between answers in the server's place"
_ADVICE_OF_PROXY = "check the proxy that the environment names, and what it asks for (user and password in its URL)"


class _Failed(Exception):
    """A step that did not succeed: its word, what was found, and what to do."""

    def __init__(self, word: Word, found: str, advice: str) -> None:
        super().__init__(found)
        self.word, self.found, self.advice = word, found, advice


@dataclass
class _Way:
    """How far one has come on the way to a server.

    Parameters:
        url: where it leads.
        proxy: the proxy in between, if any.
        transport: whose time limits and certificates hold.
        opened: closes all that is open in the end.
    """

    url: SplitResult
    proxy: SplitResult | None
    transport: TransportOptions
    opened: ExitStack
    addresses: list[Address] = field(default_factory=list)
    connection: socket.socket = field(init=False)

    @property
    def first(self) -> tuple[str, int]:
        """Host and port of what is connected to: the proxy, if there is one."""
        return _place(self.proxy or self.url)


def connection_findings(transport: TransportOptions, url: str, proxy: str | None) -> Iterator[Finding]:
    """Yield a finding for each step of the way to the server of *url*.

    Parameters:
        transport: whose certificates, proxy and time limits are used.
        proxy: the proxy to go through, if any.
    """
    with ExitStack() as opened:
        way = _Way(urlsplit(url), urlsplit(proxy) if proxy else None, transport, opened)
        failed = False
        for check, step in _steps(way):
            finding = (
                Finding(check, Word.NOT_TRIED, "a step before it has failed") if failed else _tried(check, step, way)
            )
            failed = failed or finding.word is not Word.OK
            yield Finding(finding.check, finding.word, finding.found, finding.advice, urlsplit(url).netloc)


def _steps(way: _Way) -> Iterator[tuple[str, Callable[[_Way], str]]]:
    yield "dns", _look_up
    yield "tcp", _connect
    if way.proxy is None:
        if way.url.scheme == "https":
            yield "tls", lambda way: _secure(way, way.url)
    elif not way.proxy.scheme.startswith("socks"):  # which the HTTP library speaks
        yield from _steps_behind(way.proxy)


def _steps_behind(proxy: SplitResult) -> Iterator[tuple[str, Callable[[_Way], str]]]:
    """Yield the steps behind the connection to a proxy; only https is sent through one."""
    if not speaks_tls(proxy.geturl()):
        yield "proxy-tunnel", _ask_the_proxy
        yield "tls", lambda way: _secure(way, way.url)
    else:  # TLS within TLS is the business of the HTTP library, too
        yield "proxy-tls", lambda way: _secure(way, proxy)
        yield "proxy-tunnel", _ask_the_proxy


def _tried(check: str, step: Callable[[_Way], str], way: _Way) -> Finding:
    try:
        return Finding(check, Word.OK, step(way))
    except _Failed as failure:
        return Finding(check, failure.word, failure.found, failure.advice)


def _look_up(way: _Way) -> str:
    host, port = way.first
    advice = _ADVICE_OF_PROXY if way.proxy else _ADVICE_DNS
    try:
        way.addresses = LOOKUPS.find(host, port, way.transport.connect_timeout)
    except ServerUnavailable as fault:
        raise _Failed(Word.NOT_REACHABLE, fault.message, advice) from None
    except OSError as fault:
        raise _Failed(Word.NOT_REACHABLE, f"{host} cannot be looked up: {_why(fault)}", advice) from None
    found = dict.fromkeys(str(address[4][0]) for address in way.addresses)
    return f"{host} is {', '.join(found)}"


def _connect(way: _Way) -> str:
    host, port = way.first
    told = ""
    for family, kind, protocol, _, address in way.addresses:
        connection = way.opened.enter_context(socket.socket(family, kind, protocol))
        connection.settimeout(way.transport.connect_timeout)
        try:
            connection.connect(address)
        except OSError as fault:
            told = _why(fault)
        else:
            way.connection = connection
            connection.settimeout(way.transport.read_timeout)
            return f"port {port} of {address[0]} answers" + (" (a proxy)" if way.proxy else "")
    advice = _ADVICE_OF_PROXY if way.proxy else _ADVICE_TCP
    raise _Failed(Word.NOT_REACHABLE, f"no connection to port {port} of {host}: {told}", advice)


def _ask_the_proxy(way: _Way) -> str:
    """Have the proxy open a tunnel (RFC 9110 §9.3.6)."""
    host, port = _place(way.url)
    place = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {place} HTTP/1.1", f"Host: {place}", *_authorization(way.proxy or way.url), "", ""]
    try:
        way.connection.sendall("\r\n".join(lines).encode("latin-1", "replace"))
        status = _status_in(_head(way.connection))
    except OSError as fault:
        raise _Failed(Word.NOT_REACHABLE, f"the proxy does not answer: {_why(fault)}", _ADVICE_OF_PROXY) from None
    if status is not None and 200 <= status < 300:
        return f"the proxy leads to {place}"
    told = "what is no HTTP" if status is None else f"HTTP {status}"
    raise _Failed(Word.BLOCKED, f"the proxy answers {told} instead of leading to {place}", _ADVICE_OF_PROXY)


def _authorization(proxy: SplitResult) -> list[str]:
    if proxy.username is None:
        return []
    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}".encode()
    return [f"Proxy-Authorization: Basic {base64.b64encode(login).decode()}"]


def _head(connection: socket.socket) -> bytes:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < _LONGEST_HEAD:
        part = connection.recv(1)  # nothing beyond the head: what follows it is TLS
        if not part:
            break
        head += part
    return head


def _status_in(head: bytes) -> int | None:
    words = head.split(b"\r\n", 1)[0].split(maxsplit=2)
    return int(words[1]) if len(words) > 1 and words[0].startswith(b"HTTP/") and words[1].isdigit() else None


def _secure(way: _Way, server: SplitResult) -> str:
    try:
        # Verified against what the HTTP library trusts, as a call of a renewal would be.
        context = way.transport.tls_context(own_certificate=server is way.url)
        secured = context.wrap_socket(way.connection, server_hostname=server.hostname)
    except ServerUnavailable as fault:
        raise _Failed(Word.NOT_TRUSTED, fault.message, "name a file of certificates that can be read") from None
    except ssl.SSLCertVerificationError as fault:
        raise _Failed(Word.NOT_TRUSTED, f"certificate not accepted: {fault.verify_message}", _mend(fault)) from None
    except (OSError, ValueError) as fault:  # Python refuses to name some hosts, such as those with long labels
        raise _Failed(Word.NOT_REACHABLE, f"no TLS is to be had: {_why(fault)}", _ADVICE_TLS) from None
    way.connection = way.opened.enter_context(secured)
    return _certificate(secured)


def _mend(fault: ssl.SSLCertVerificationError) -> str:
    if fault.verify_code in {_NOT_YET_VALID, _EXPIRED}:
        return "check the clock of this machine; if it is right, the server's certificate has to be renewed"
    if fault.verify_code in _UNKNOWN_AUTHORITY:
        used = ", ".join(openssl_authorities(trust_env=True)) or "none"
        return (
            "if a proxy of your company opens TLS, name the file of its certificate (SSL_CERT_FILE; REQUESTS_CA_BUNDLE "
            f"for requests); OpenSSL reads {used}"
        )
    return "check base_url: the server there has the certificate of another one"


def _certificate(secured: ssl.SSLSocket) -> str:
    found: dict[str, Any] = secured.getpeercert() or {}
    names = {name: value for group in found.get("issuer", ()) for name, value in group}
    issuer = names.get("organizationName") or names.get("commonName") or "an authority without a name"
    return f"{secured.version()}, certificate of {printable(issuer)}, until {found.get('notAfter', 'nobody says when')}"


def _place(url: SplitResult) -> tuple[str, int]:
    return url.hostname or "", url.port or _PORTS.get(url.scheme, 1080)


def _why(fault: Exception) -> str:
    told = getattr(fault, "reason", None) or getattr(fault, "strerror", None)
    return str(told or ("it took too long" if isinstance(fault, TimeoutError) else type(fault).__name__))
