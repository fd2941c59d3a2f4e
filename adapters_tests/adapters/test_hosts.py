"""Which spellings of a host get the token: those that go to a protected host on the wire, in every client."""

from __future__ import annotations

import contextlib
import re
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import quote, unquote_to_bytes

import pytest
import trustme

from adapters_tests.common.clients import App, Kind
from adapters_tests.common.clock import EAGER
from adapters_tests.common.direct import Server
from adapters_tests.common.world import STATEMENT
from adapters_tests.servers.odd_server import OddServer
from dcrauth import AdobePass, MemoryStore

PROTECTED = ("pressplay.com", "xn--fa-hia.de", "xn--nxasmm1c.com", "[::1]")
"""The third is βόλος.com."""

MINE = (
    "https://pressplay.com:{port}/",
    "HTTPS://PressPlay.COM:{port}/",
    "https://xn--fa-hia.de:{port}/",
    "https://XN--FA-HIA.de:{port}/",
    "https://faß.de:{port}/",
    "https://FAß.de:{port}/",
    "https://βόλος.com:{port}/",
)
"""What every client sends to a protected host."""

OTHERS = (
    "https://preßplay.com:{port}/",
    "https://xn--preplay-2va.com:{port}/",
    "https://xn--pressplay.com:{port}/",
    "https://\uff50ressplay.com:{port}/",
    "https://pressplay。com:{port}/",
    "https://xn--zz---:{port}/",
    "https://fass.de:{port}/",
    "https://www.faß.de:{port}/",
    "https://βόλοσ.com:{port}/",
    "https://xn--nxasmq6b.com:{port}/",
    "https://press%70lay.com:{port}/",
    "https://press\tplay.com:{port}/",
    "https://pressplay.com.evil.example:{port}/",
    "https://evil.example:{port}/https://pressplay.com:{port}/",
    "https://pressplay.com:{port}@evil.example:{port}/",
    "https://evil.example:{port}\\@pressplay.com:{port}/",
    "https://evil.example:{port}#@pressplay.com:{port}/",
    "https://evil.example:{port}?@pressplay.com:{port}/",
    "https://[::1]:{port}/",
    "https://[0:0:0:0:0:0:0:1]:{port}/",
    "https://127.0.0.1:{port}/",
)
"""What clients send to other hosts, or some of them to a protected one, or refuse to send: the server tells which."""


class Recorder(OddServer):
    """Tells the hosts that it has been taken for, and with which token; to the wrong ones it answers 401.

    A request for ``/to/`` and a quoted URL is redirected there; one for ``/revoked`` refuses the first token.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(self._say, context)
        self.port = int(self.url.rpartition(":")[2])

    def _say(self, connection: socket.socket) -> None:
        path = self.received[-1].split(b" ")[1]
        if path.startswith(b"/to/"):
            answer = b"302 Found\r\nLocation: " + unquote_to_bytes(path.removeprefix(b"/to/"))
        else:
            refused = path == b"/revoked" and b"token-1" in self.received[-1]
            answer = b"401 Unauthorized" if refused or _host(self.received[-1]) not in PROTECTED else b"200 OK"
        connection.sendall(b"HTTP/1.1 " + answer + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    @property
    def seen(self) -> list[tuple[str, bool]]:
        """The host of each request, and whether a token came with it."""
        return [(_host(each), b"bearer token-" in each.lower()) for each in self.received]


def _host(request: bytes) -> str:
    found = re.search(rb"\r\nhost: *([^\r]*?)(:\d+)?\r\n", request, re.IGNORECASE)
    assert found
    host = found[1].decode("latin-1").lower()
    # niquests leaves the brackets out.
    return "[::1]" if host.strip("[]") in {"::1", "0:0:0:0:0:0:0:1"} else host


@pytest.fixture(scope="module")
def certificate() -> ssl.SSLContext:
    """A certificate for no host in particular: the clients do not look at it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("localhost").configure_cert(context)
    return context


@pytest.fixture
def recorder(certificate: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    """A server that every host name leads to."""
    look_up = socket.getaddrinfo
    # No client verifies anything here, and requests would read all certificates of the machine for each host.
    monkeypatch.setattr(ssl.SSLContext, "load_default_certs", lambda *_: None)
    with Recorder(certificate) as server:
        monkeypatch.setattr(
            socket, "getaddrinfo", lambda _host, port, *rest, **more: look_up("127.0.0.1", port, *rest, **more)
        )
        yield server


@pytest.fixture
def app(kind: Kind, recorder: Recorder) -> Iterator[App]:
    """Each client, with a token for the protected hosts."""
    protects = [f"https://{host}:{recorder.port}" for host in PROTECTED]
    server = Server()
    source = server.source(MemoryStore(), provider=AdobePass(STATEMENT, protects=protects), policy=EAGER)
    with kind.open(kind.auth(source), verify=False) as opened:
        yield opened


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
@pytest.mark.fault(
    "a URL, or a redirect, names a host whose international spelling resembles a protected one",
    "it gets no token: hosts are compared as they go on the wire",
)
def test_every_spelling_of_a_host(app: App, recorder: Recorder) -> None:
    """Whatever the spelling of a URL, a token goes along if and only if the host on the wire is a protected one."""
    send_all(app, [url.format(port=recorder.port) for url in MINE])
    assert [host in PROTECTED for host, _ in recorder.seen] == [True] * len(MINE)
    send_all(app, [url.format(port=recorder.port) for url in OTHERS])
    assert recorder.seen == [(host, host in PROTECTED) for host, _ in recorder.seen]
    assert {"xn--preplay-2va.com", "fass.de", "xn--nxasmq6b.com", "127.0.0.1"} <= {host for host, _ in recorder.seen}


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_every_spelling_of_a_redirect(app: App, recorder: Recorder) -> None:
    """A redirect to another host takes no token there, however it is spelled; one to the same host does."""
    start = f"https://pressplay.com:{recorder.port}/to/"
    for url in (*MINE[:2], f"{start}{quote(MINE[0])}"):
        send_all(app, [start + quote(url.format(port=recorder.port))])
        assert recorder.seen[-1] == ("pressplay.com", True)
    send_all(app, [start + quote(url.format(port=recorder.port)) for url in MINE + OTHERS])
    assert {host for host, signed in recorder.seen if signed} <= set(PROTECTED)
    assert {"xn--preplay-2va.com", "fass.de", "xn--nxasmq6b.com", "127.0.0.1"} <= {host for host, _ in recorder.seen}


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_refusal_of_an_international_host_is_mended(app: App, recorder: Recorder) -> None:
    """A refusal of a protected host with an international name is answered with a new token."""
    send_all(app, [f"https://xn--fa-hia.de:{recorder.port}/revoked", f"https://faß.de:{recorder.port}/revoked"])
    assert recorder.seen == [("xn--fa-hia.de", True)] * 3
    assert [b"token-2" in each for each in recorder.received] == [False, True, True]


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")
def test_a_dot_at_the_end_is_another_origin(app: App, recorder: Recorder) -> None:
    """A host name with a dot at its end gets no token, as it is another origin to browsers (RFC 6454), too."""
    send_all(app, [f"https://pressplay.com.:{recorder.port}/"])
    assert [signed for _, signed in recorder.seen] == [False]


def send_all(app: App, urls: list[str]) -> None:
    """Send a GET to each of *urls*, whether the library can do that or not."""
    for url in urls:
        with contextlib.suppress(Exception):
            app.get(url)
