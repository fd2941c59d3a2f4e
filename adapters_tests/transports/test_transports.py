"""How our two calls travel: every transport, against real sockets that misbehave."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import dataclasses
import gzip
import hashlib
import os
import pickle
import socket
import ssl
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import aiohttp
import httpx
import httpx2
import pytest
import requests
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from requests.utils import select_proxy

from adapters_tests.common.ports import free_port
from dcrauth import AdobePass, ConfigurationError, MemoryStore, ServerUnavailable, TokenSource, Unavailable
from dcrauth.providers.protocol import Request
from dcrauth.simulator import Behaviour, Fault, OAuthSimulator, Simulator
from dcrauth.transports import default_transport
from dcrauth.transports._tls import KeptContexts
from dcrauth.transports.aiohttp import AiohttpTransport
from dcrauth.transports.http_client import HttpClientTransport
from dcrauth.transports.httpx import HttpxTransport
from dcrauth.transports.httpx2 import Httpx2Transport
from dcrauth.transports.requests import RequestsTransport

TRANSPORTS = [RequestsTransport, HttpxTransport, Httpx2Transport, AiohttpTransport, HttpClientTransport]
CANARY = b"client_secret=canary"


@pytest.fixture(
    # The quick path leaves out the one that shares most with requests; all that niquests sends goes through it.
    params=[pytest.param(kind, marks=[pytest.mark.slow] * (kind is HttpClientTransport)) for kind in TRANSPORTS],
    ids=lambda kind: kind.__name__,
)
def kind(request: pytest.FixtureRequest) -> Any:
    """Each transport."""
    return request.param


def post(url: str, body: bytes = CANARY, query: str = "") -> Request:
    return Request(url + query, {"Content-Type": "text/plain", "X-Device-Info": "e30="}, body, endpoint=url)


class Raw:
    """A server that answers one connection with given bytes, whatever it is asked."""

    def __init__(self, answer: bytes, *, endless: bytes = b"", keep: bool = False) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(20)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/o/client/token"
        self._answer, self._endless, self._keep = answer, endless, keep
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._done.set()
        self._thread.join(20)
        self._listener.close()

    def knock(self) -> None:
        """Let the server come to its end if nobody has called it."""
        with contextlib.suppress(OSError), socket.create_connection(self._listener.getsockname(), 1):
            """That was it."""

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            connection.recv(65_536)
            try:
                connection.sendall(self._answer)
                while self._endless and not self._done.wait(0.01):
                    connection.sendall(self._endless)
            except OSError:
                return
            if self._keep:
                self._done.wait(20)


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_a_request_has_its_method(kind: Any, method: str) -> None:
    """A client is read, changed and deleted with the methods for that; without a body, none is sent."""
    body = CANARY if method == "PUT" else b""
    with OAuthSimulator() as server:
        request = Request(f"{server.url}/x", {"Content-Type": "text/plain"}, body, endpoint=server.url, method=method)
        kind().send(request)
        (call,) = server.calls
    assert (call.method, call.body) == (method, body)


def test_request_and_answer_arrive_as_they_are(kind: Any, adobe: Simulator) -> None:
    """URL, headers and body are sent as given; status, lower-case headers and body come back."""
    adobe.inject("token", Fault(status=418, body=b"{}", headers=(("Retry-After", "7"), ("X-Odd", "yes"))))
    answer = kind().send(post(f"{adobe.url}/o/client/token", query="?a=1%2B2&b=%20"))
    assert (answer.status, answer.body) == (418, b"{}")
    assert (answer.headers["retry-after"], answer.headers["x-odd"]) == ("7", "yes")
    (call,) = adobe.calls
    assert (call.method, call.query, call.body) == ("POST", "a=1%2B2&b=%20", CANARY)
    assert call.headers["x-device-info"] == "e30="


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(kind: Any, status: int, adobe: Simulator, foreign: Simulator) -> None:
    """A redirect of our calls is an answer like any other: its target is never contacted."""
    adobe.inject("token", Fault(status=status, headers=(("Location", f"{foreign.url}/o/client/token"),)))
    assert kind().send(post(f"{adobe.url}/o/client/token")).status == status
    assert foreign.calls == ()
    assert adobe.counts.token == 1


@pytest.mark.fault(
    "a netrc file has a password for the token endpoint, or an earlier answer set a cookie",
    "our calls carry neither",
)
def test_nothing_of_the_users_goes_along(
    kind: Any, adobe: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No netrc password, no cookie of an earlier answer, no Authorization header."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    transport = kind()
    for _ in range(2):
        adobe.inject("token", Fault(status=200, headers=(("Set-Cookie", "AWSALB=1; Path=/"),)))
        transport.send(post(f"{adobe.url}/o/client/token"))
    assert not any({"authorization", "cookie"} & set(call.headers) for call in adobe.calls)


@pytest.mark.fault(
    "the connection of a registration is reset",
    "no HTTP library repeats it by itself: a registration is not idempotent",
)
def test_one_call_is_one_attempt(kind: Any, adobe: Simulator) -> None:
    """A registration is not idempotent: a reset connection is an error, never a silent second attempt."""
    adobe.inject("register", Fault(reset=True), times=None)
    with pytest.raises(ServerUnavailable):
        kind().send(post(f"{adobe.url}/o/client/register"))
    assert adobe.counts.register == 1


@pytest.mark.parametrize("query", ["", "?client_secret=canary"])
@pytest.mark.parametrize("trouble", ["refused", "reset", "truncated", "garbage", "unknown host"])
def test_faults_are_told_without_the_request(kind: Any, trouble: str, query: str) -> None:
    """Every fault of the network is Unavailable with the endpoint in its text, and nothing of URL query or body."""
    answers = {"garbage": b"nonsense\r\n\r\n", "truncated": HEAD + b"Content-Length: 100\r\n\r\n{", "reset": b""}
    with Raw(answers.get(trouble, b"")) as server:
        url = {"refused": unused_url(), "unknown host": "http://nowhere.invalid/token"}.get(trouble, server.url)
        with pytest.raises(Unavailable) as caught:
            kind().send(post(url, query=query))
        server.knock()
    error = caught.value
    assert url in str(error)
    assert "canary" not in str(error) + repr(error.__cause__) + repr(error.__context__)


def unused_url() -> str:
    """A URL at which nobody listens."""
    return f"http://127.0.0.1:{free_port()}/o/client/token"


def test_an_endless_answer_is_cut_off(kind: Any) -> None:
    """More than a mebibyte is no answer."""
    with Raw(HEAD + b"\r\n", endless=b"x" * 65_536) as server, pytest.raises(ServerUnavailable, match="more than"):
        kind().send(post(server.url))


def test_a_compressed_bomb_is_cut_off(kind: Any) -> None:
    """A small compressed answer that unfolds to a large one is no answer either."""
    bomb = gzip.compress(b"x" * 20_000_000)
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with Raw(head + bomb) as server, pytest.raises(ServerUnavailable):
        kind().send(post(server.url))


@pytest.mark.fault("the body of an answer comes byte by byte", "the call ends when its total timeout is over")
def test_a_dripping_answer_runs_out_of_time(kind: Any) -> None:
    """An answer that comes byte by byte, each in time, does not take longer than the whole may take."""
    with (
        Raw(HEAD + b"Content-Length: 100000\r\n\r\n", endless=b"x") as server,
        pytest.raises(ServerUnavailable),
    ):
        kind(total_timeout=0.3).send(post(server.url))


def test_a_silent_server_runs_out_of_time(kind: Any) -> None:
    """A server that accepts the connection and says nothing is given up."""
    with Raw(b"", keep=True) as server, pytest.raises(ServerUnavailable, match=r"Time(d)?[oO]ut"):
        kind(read_timeout=0.2, total_timeout=5.0).send(post(server.url))


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that nobody trusts by default."""
    return trustme.CA()


@pytest.fixture
def secure(authority: trustme.CA) -> Iterator[Simulator]:
    """A simulator that speaks HTTPS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with Simulator(Behaviour(), ssl_context=context) as simulator:
        yield simulator


def test_certificates_are_verified(kind: Any, secure: Simulator) -> None:
    """A certificate of an unknown authority ends the call before anything is sent, and the error says why."""
    with pytest.raises(ServerUnavailable, match="certificate verify failed"):
        kind().send(post(f"{secure.url}/o/client/token"))
    assert secure.calls == ()


def test_another_authority_can_be_trusted(kind: Any, secure: Simulator, authority: trustme.CA, tmp_path: Path) -> None:
    """With the authority's certificate as ca_bundle the call goes through."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    assert kind(ca_bundle=bundle).send(post(f"{secure.url}/o/client/token")).status == 400
    assert secure.counts.token == 1


def test_a_client_certificate_is_shown(kind: Any, authority: trustme.CA, tmp_path: Path) -> None:
    """A server that asks for a client certificate gets it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    bundle, mine = tmp_path / "ca.pem", tmp_path / "mine.pem"
    authority.cert_pem.write_to_path(str(bundle))
    authority.issue_cert("client@example.com").private_key_and_cert_chain_pem.write_to_path(str(mine))
    with Simulator(ssl_context=context) as server:
        url = f"{server.url}/o/client/token"
        with pytest.raises(ServerUnavailable):
            kind(ca_bundle=bundle).send(post(url))
        assert kind(ca_bundle=bundle, client_certificate=str(mine)).send(post(url)).status == 400
        assert server.counts.token == 1


def test_the_environment_can_name_an_authority(
    kind: Any, secure: Simulator, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable that the HTTP library reads is heeded, also by a transport that has made calls before."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    (tmp_path / f"{subject_hash(authority)}.0").write_bytes(authority.cert_pem.bytes())
    places = {
        "REQUESTS_CA_BUNDLE": bundle,
        "CURL_CA_BUNDLE": bundle,
        "SSL_CERT_FILE": bundle,
        "SSL_CERT_DIR": tmp_path,
    }
    for name in places:
        monkeypatch.delenv(name, raising=False)
    transport = kind()
    for name, place in places.items():
        monkeypatch.setenv(name, str(place))
        if name.endswith("_BUNDLE") == (kind is RequestsTransport):
            assert transport.send(post(f"{secure.url}/o/client/token")).status == 400
        else:
            with pytest.raises(ServerUnavailable, match="certificate verify failed"):
                transport.send(post(f"{secure.url}/o/client/token"))
        monkeypatch.delenv(name)


def test_the_environment_can_be_left_alone(
    kind: Any,
    adobe: Simulator,
    secure: Simulator,
    authority: trustme.CA,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With trust_env=False no authority and no proxy of the environment is used."""
    through(adobe.url, monkeypatch)
    assert kind().proxy_for("https://sp.auth.invalid/o/client/token") == adobe.url
    assert kind(trust_env=False).proxy_for("https://sp.auth.invalid/o/client/token") is None
    if kind is Httpx2Transport and tuple(map(int, httpx2.__version__.split(".")[:2])) < (2, 16):
        pytest.skip("httpx2 before 2.16 cannot keep OpenSSL from reading SSL_CERT_FILE")
    bundle, usual = tmp_path / "ca.pem", tmp_path / "usual.pem"
    authority.cert_pem.write_to_path(str(bundle))
    trustme.CA().cert_pem.write_to_path(str(usual))
    built_for = ssl.get_default_verify_paths()._replace(openssl_cafile=str(usual))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: built_for)
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.setenv(name, str(bundle))
    assert kind().send(post(f"{secure.url}/o/client/token")).status == 400
    with pytest.raises(ServerUnavailable, match="certificate verify failed"):
        kind(trust_env=False).send(post(f"{secure.url}/o/client/token"))


def test_certificates_are_read_once(
    kind: Any, secure: Simulator, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many calls a transport makes, it reads its certificates for the first one only."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    transport, read = kind(ca_bundle=bundle), []
    load = ssl.SSLContext.load_verify_locations

    def counted(context: ssl.SSLContext, *paths: Any, **more: Any) -> None:
        read.append(paths or more)
        load(context, *paths, **more)

    monkeypatch.setattr(ssl.SSLContext, "load_verify_locations", counted)
    for _ in range(3):
        assert transport.send(post(f"{secure.url}/o/client/token")).status == 400
    assert [str(bundle) in str(each) for each in read] == [True]


@pytest.mark.parametrize("has_bundle", [True, False])
def test_the_usual_certificates_are_read_once(
    kind: Any, has_bundle: bool, authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without an option they are, too: also where OpenSSL has no file of certificates but a directory only."""
    for name in ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(name, raising=False)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    usual = ssl.get_default_verify_paths()._replace(cafile=str(bundle) if has_bundle else None, capath=str(tmp_path))
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: usual)
    transport = kind()
    assert transport.tls_context() is transport.tls_context()


def put_in_place(content: bytes, path: Path, how: str) -> None:
    """Put *content* at *path*: over what is there, by a rename, or by pointing a symbolic link at another file.

    Neither the size nor the time of the file tells that it is another one.
    """
    fresh = path if how == "written" else path.with_suffix(f".{len(list(path.parent.iterdir()))}")
    fresh.write_bytes(content.ljust(4_000, b"\n"))
    os.utime(fresh, (1_000_000_000, 1_000_000_000))
    if how == "linked":
        link = fresh.with_suffix(".link")
        link.symlink_to(fresh)
        fresh = link
    fresh.replace(path)


@pytest.mark.parametrize("how", ["written", "renamed", "linked"])
def test_a_changed_authority_is_trusted(
    kind: Any, how: str, secure: Simulator, authority: trustme.CA, tmp_path: Path
) -> None:
    """Once the file of trusted certificates is another one, the next call goes by it."""
    bundle = tmp_path / "ca.pem"
    transport = kind(ca_bundle=bundle)
    put_in_place(trustme.CA().cert_pem.bytes(), bundle, how)
    with pytest.raises(ServerUnavailable, match="certificate verify failed"):
        transport.send(post(f"{secure.url}/o/client/token"))
    put_in_place(authority.cert_pem.bytes(), bundle, how)
    assert transport.send(post(f"{secure.url}/o/client/token")).status == 400
    put_in_place(trustme.CA().cert_pem.bytes(), bundle, how)
    with pytest.raises(ServerUnavailable, match="certificate verify failed"):
        transport.send(post(f"{secure.url}/o/client/token"))


def test_a_directory_of_authorities_is_searched_anew(
    kind: Any, secure: Simulator, authority: trustme.CA, tmp_path: Path
) -> None:
    """A directory as ca_bundle is heeded as it is at each call, also where a file in it is written to."""
    certificate = tmp_path / f"{subject_hash(authority)}.0"
    certificate.write_bytes(authority.cert_pem.bytes())
    transport = kind(ca_bundle=tmp_path)
    assert transport.send(post(f"{secure.url}/o/client/token")).status == 400
    certificate.write_bytes(trustme.CA().cert_pem.bytes())
    with pytest.raises(ServerUnavailable, match="certificate verify failed"):
        transport.send(post(f"{secure.url}/o/client/token"))


def subject_hash(authority: trustme.CA) -> str:
    """The name under which OpenSSL looks for a certificate in a directory: a hash of its subject in lower case."""
    subject = x509.load_pem_x509_certificate(authority.cert_pem.bytes()).subject
    parts = [x509.Name([x509.NameAttribute(each.oid, str(each.value).lower())]) for each in subject]
    sets = b"".join(part.public_bytes()[2:] for part in parts)  # each without the sequence that it is in
    return hashlib.sha1(sets, usedforsecurity=False).digest()[3::-1].hex()


def test_what_changes_while_it_is_read_is_read_again(tmp_path: Path) -> None:
    """A context that was being made while a file changed is not taken for one of the changed file."""
    file, made = tmp_path / "ca.pem", []
    file.write_text("old")

    def make() -> ssl.SSLContext:
        made.append(file.read_text())
        file.write_text("newer")
        return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

    contexts = KeptContexts()
    for _ in range(3):
        contexts.get((file,), make)
    assert made[:2] == ["old", "newer"]


def test_a_certificate_that_cannot_be_read_is_tried_again(
    kind: Any, secure: Simulator, authority: trustme.CA, tmp_path: Path
) -> None:
    """A missing or half-written file of certificates is named by the call that fails; once whole, it is used."""
    bundle = tmp_path / "ca.pem"
    transport = kind(ca_bundle=bundle)
    with pytest.raises(
        ServerUnavailable, match=rf"{bundle} cannot be used: FileNotFoundError \(No such file or directory\)"
    ):
        transport.send(post(f"{secure.url}/o/client/token"))
    bundle.write_bytes(authority.cert_pem.bytes()[:100])
    with pytest.raises(ServerUnavailable, match=f"{bundle} cannot be used: SSLError"):
        transport.send(post(f"{secure.url}/o/client/token"))
    bundle.write_bytes(authority.cert_pem.bytes())
    assert transport.send(post(f"{secure.url}/o/client/token")).status == 400


def test_a_changed_client_certificate_is_shown(kind: Any, authority: trustme.CA, tmp_path: Path) -> None:
    """Short-lived client certificates are replaced on disk: the next call shows the new one, certificate and key."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    bundle, shown, key = (tmp_path / name for name in ("ca.pem", "shown.pem", "key.pem"))
    bundle.write_bytes(authority.cert_pem.bytes())
    transport = kind(ca_bundle=bundle, client_certificate=(str(shown), str(key)))

    def issue(by: trustme.CA) -> None:
        pair = by.issue_cert("client@example.com")
        shown.write_bytes(pair.cert_chain_pems[0].bytes())
        key.write_bytes(pair.private_key_pem.bytes())

    with Simulator(ssl_context=context) as server:
        issue(trustme.CA())
        with pytest.raises(ServerUnavailable):
            transport.send(post(f"{server.url}/o/client/token"))
        issue(authority)
        assert transport.send(post(f"{server.url}/o/client/token")).status == 400


@pytest.mark.parametrize("in_one_file", [True, False])
def test_an_encrypted_key_is_told(
    kind: Any, in_one_file: bool, secure: Simulator, authority: trustme.CA, tmp_path: Path
) -> None:
    """A client certificate with an encrypted key ends the call; nobody is asked for a password on a terminal."""
    pair = authority.issue_cert("client@example.com")
    password = serialization.BestAvailableEncryption(b"canary")
    form = serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, password
    encrypted = serialization.load_pem_private_key(pair.private_key_pem.bytes(), None).private_bytes(*form)
    shown, key = tmp_path / "shown.pem", tmp_path / "key.pem"
    key.write_bytes(encrypted)
    shown.write_bytes(pair.cert_chain_pems[0].bytes() + encrypted)
    own = str(shown) if in_one_file else (str(shown), str(key))
    with pytest.raises(ServerUnavailable, match="the key of the client certificate is encrypted"):
        kind(client_certificate=own).send(post(f"{secure.url}/o/client/token"))


def test_a_common_name_is_no_host(authority: trustme.CA, tmp_path: Path) -> None:
    """With requests, a certificate that has the host in its common name only is refused, as requests does it."""
    bundle, named = tmp_path / "ca.pem", authority.issue_cert(common_name="localhost")
    authority.cert_pem.write_to_path(str(bundle))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    named.configure_cert(context)
    with Simulator(ssl_context=context) as server:
        url = server.url.replace("127.0.0.1", "localhost")
        with pytest.raises(ServerUnavailable, match=r"Hostname mismatch|Empty Subject Alternative Name"):
            RequestsTransport(ca_bundle=bundle).send(post(f"{url}/o/client/token"))


def test_a_transport_is_a_value(kind: Any, secure: Simulator, authority: trustme.CA, tmp_path: Path) -> None:
    """Copies, pickled ones too, are equal, go by the same options, and share what equal ones share."""
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    used = kind(ca_bundle=bundle)
    used.send(post(f"{secure.url}/o/client/token"))
    assert used == kind(ca_bundle=bundle)
    assert hash(used) == hash(kind(ca_bundle=bundle))
    assert "context" not in repr(used)
    pickled = pickle.loads(pickle.dumps(used))  # noqa: S301  # our own
    copies = [pickled, copy.deepcopy(used), dataclasses.replace(used, read_timeout=3.0)]
    for other in copies:
        assert (other.tls_context() is used.tls_context()) is (other == used)
        assert other.send(post(f"{secure.url}/o/client/token")).status == 400
    assert copies[:2] == [used, used]
    assert copies[2] != used


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("kind", [RequestsTransport, HttpxTransport, Httpx2Transport])
def test_a_proxy_may_speak_tls(kind: Any, scheme: str, authority: trustme.CA, tmp_path: Path) -> None:
    """A proxy at an https URL is verified like a server, and not shown the client certificate (which aiohttp does)."""
    bundle, mine = tmp_path / "ca.pem", tmp_path / "mine.pem"
    authority.cert_pem.write_to_path(str(bundle))
    authority.issue_cert("client@example.com").private_key_and_cert_chain_pem.write_to_path(str(mine))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_OPTIONAL
    asked: list[tuple[bytes, bool]] = []

    def serve(listener: socket.socket) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            connection.settimeout(20)
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                asked.append((secured.recv(65_536).partition(b" ")[0], bool(secured.getpeercert())))
                secured.sendall(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        proxy = f"https://127.0.0.1:{listener.getsockname()[1]}"
        request = post(f"{scheme}://sp.auth.invalid/o/client/token")
        for trusted in (bundle, None):
            with contextlib.suppress(ServerUnavailable):
                kind(proxy=proxy, ca_bundle=trusted, client_certificate=str(mine)).send(request)
        thread.join(20)
    assert asked == [(b"POST" if scheme == "http" else b"CONNECT", False)]


def through(proxy: str, monkeypatch: pytest.MonkeyPatch, no_proxy: str = "") -> None:
    """Let the environment name *proxy* for everything but *no_proxy*."""
    for name, value in {"http_proxy": proxy, "https_proxy": proxy, "no_proxy": no_proxy}.items():
        monkeypatch.setenv(name, value)
        monkeypatch.setenv(name.upper(), value)


@pytest.mark.fault(
    "the environment names a proxy, and the provider is on this machine, at an http:// URL",
    "neither statement nor credentials go to the proxy",
)
def test_nothing_for_loopback_goes_to_a_proxy(
    kind: Any, adobe: Simulator, secure: Simulator, foreign: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the environment says about proxies, what is for this machine goes there by itself."""
    through(foreign.url, monkeypatch)
    for variable in ("ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, foreign.url)
    provider = AdobePass(adobe.software_statement, base_url=adobe.url.replace("127.0.0.1", "localhost"))
    assert TokenSource(provider, store=MemoryStore(), transport=kind()).token().authorization
    with pytest.raises(ServerUnavailable, match="certificate verify failed"):
        kind().send(post(f"{secure.url}/o/client/token"))
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)
    assert foreign.calls == ()


@pytest.mark.fault(
    "the transport is given a proxy on another machine, and the provider is at an http:// URL",
    "ConfigurationError in the constructor, before anything is sent in plain text",
)
def test_a_proxy_elsewhere_sees_no_plain_text(kind: Any, provider: AdobePass, adobe: Simulator) -> None:
    """A named proxy and a provider at an http URL do not go together, unless the proxy is on this machine, too."""
    for proxy in ("http://user:canary@proxy.example.com:3128", "https://192.0.2.7:3128", "http://localhost.example"):
        with pytest.raises(ConfigurationError, match="in plain text") as caught:
            TokenSource(provider, store=MemoryStore(), transport=kind(proxy=proxy))
        assert "canary" not in str(caught.value)
        with pytest.raises(ConfigurationError, match="in plain text"):
            kind(proxy=proxy).send(post(provider.token_url, query="?client_secret=canary"))
    TokenSource(AdobePass(adobe.software_statement), store=MemoryStore(), transport=kind(proxy="http://192.0.2.7"))
    assert kind(proxy="http://192.0.2.7").proxy_for("https://sp.auth.adobe.com/o") == "http://192.0.2.7"
    assert kind(proxy="http://192.0.2.7").proxy_for("https://localhost/o") is None
    assert adobe.calls == ()


def test_a_proxy_on_this_machine_may_see_what_is_for_it(
    kind: Any, provider: AdobePass, adobe: Simulator, foreign: Simulator
) -> None:
    """A debugging proxy on loopback is used for a simulator there, if it is named in the settings."""
    TokenSource(provider, store=MemoryStore(), transport=kind(proxy=foreign.url))
    assert kind(proxy=foreign.url).send(post(f"{adobe.url}/o/client/token")).status == 400
    assert (len(foreign.calls), adobe.calls) == (1, ())


def of_requests(url: str) -> str | None:
    found: list[str | None] = []

    class Adapter(requests.adapters.HTTPAdapter):
        def send(self, request: Any, *_rest: Any, proxies: Any = None, **_more: Any) -> Any:
            found.append(select_proxy(request.url, proxies))
            raise requests.ConnectionError

    with requests.Session() as session, contextlib.suppress(requests.ConnectionError):
        session.mount("http://", Adapter())
        session.get(url)
    return found[0]


def of_httpx(library: Any) -> Any:
    def found(url: str) -> str | None:
        with library.Client(verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)) as client:
            proxy = getattr(client._transport_for_url(library.URL(url))._pool, "_proxy_url", None)
        return proxy and f"http://{proxy.host.decode()}:{proxy.port}"

    return found


def of_aiohttp(url: str) -> str | None:
    found: list[Any] = []

    class Request(aiohttp.ClientRequest):
        def __init__(self, *_rest: Any, proxy: Any = None, **_more: Any) -> None:
            found.append(proxy)
            raise aiohttp.ClientConnectionError

    async def get() -> None:
        async with aiohttp.ClientSession(request_class=Request, trust_env=True) as session:
            with contextlib.suppress(aiohttp.ClientConnectionError):
                await session.get(url)

    asyncio.run(get())
    return found[0] and str(found[0])


CLIENTS = {
    RequestsTransport: of_requests,
    HttpxTransport: of_httpx(httpx),
    Httpx2Transport: of_httpx(httpx2),
    AiohttpTransport: of_aiohttp,
}
"""The proxy that a client of each library takes from the environment."""

PROXY = "http://proxy.invalid:3128"


@pytest.mark.fault(
    "NO_PROXY names a network, a port or a domain, each of which only some HTTP libraries read",
    "our calls go the way that the library's own go",
)
@pytest.mark.parametrize("kind", CLIENTS)
def test_the_environment_is_read_as_the_library_reads_it(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every form of NO_PROXY and ALL_PROXY a transport makes what a client of its library makes of it."""
    for name in ("sp.auth.invalid", ".auth.invalid", "auth.invalid", "h.invalid", "*.auth.invalid", "*", " a , b "):
        through(PROXY, monkeypatch, name)
        assert_same_way(kind, "http://sp.auth.invalid/o")
    for name in ("sp.auth.invalid:8080", "sp.auth.invalid:80", "auth.invalid:8080"):
        through(PROXY, monkeypatch, name)
        assert_same_way(kind, "http://sp.auth.invalid:8080/o")
    for name in ("192.0.2.0/24", "192.0.2.7", "192.0.2.7:80", "192.0.3.0/24"):
        through(PROXY, monkeypatch, name)
        assert_same_way(kind, "http://192.0.2.7/o")
    through("", monkeypatch)
    monkeypatch.setenv("ALL_PROXY", PROXY)
    assert_same_way(kind, "http://sp.auth.invalid/o")


def assert_same_way(kind: Any, url: str) -> None:
    assert kind().proxy_for(url) == CLIENTS[kind](url)


def test_forms_that_some_libraries_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network in NO_PROXY is heeded with requests, a port with httpx, a proxy for everything with both."""
    through(PROXY, monkeypatch, "192.0.2.0/24,sp.auth.invalid:8080")
    assert RequestsTransport().proxy_for("https://192.0.2.7/o") is None
    assert HttpxTransport().proxy_for("https://sp.auth.invalid:8080/o") is None
    assert AiohttpTransport().proxy_for("https://sp.auth.invalid:8080/o") == PROXY


@pytest.mark.parametrize("library", [httpx, httpx2])
def test_proxies_are_found_without_private_names(library: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where httpx has no longer what its clients read the environment with, it is read as Python reads it."""
    monkeypatch.delattr(library._utils, "get_environment_proxies")
    through(PROXY, monkeypatch, "direct.invalid")
    transport = HttpxTransport() if library is httpx else Httpx2Transport()
    assert transport.proxy_for("https://sp.auth.invalid/o") == PROXY
    assert transport.proxy_for("https://direct.invalid/o") is None


def test_a_proxy_of_the_environment_gets_its_password(
    kind: Any, adobe: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """User name and password in the URL of a proxy are for the proxy."""
    through(adobe.url.replace("//", "//user:p%40ss@"), monkeypatch)
    kind().send(post("http://sp.auth.invalid/o/client/token"))
    assert adobe.calls[0].headers["proxy-authorization"] == "Basic dXNlcjpwQHNz"


@pytest.mark.parametrize("how", ["option", "environment", "environment, without a scheme"])
def test_a_proxy_is_used(kind: Any, how: str, adobe: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls go through the proxy that is given or that the environment names; "" means none."""
    named = {"environment": adobe.url, "environment, without a scheme": adobe.url.removeprefix("http://")}
    for variable in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, named.get(how, "http://127.0.0.1:1"))
    options = {"proxy": adobe.url} if how == "option" else {}
    kind(**options).send(post("http://sp.auth.invalid/o/client/token"))
    assert "sp.auth.invalid" in adobe.calls[0].headers["host"]
    assert kind(proxy="").send(post(f"{adobe.url}/o/client/token")).status == 400


@pytest.mark.parametrize(
    "proxy",
    ["user:canary@proxy:3128", "ftp://user:canary@proxy", "http://", "canary", "http://[canary", "http://proxy:x"],
)
def test_what_is_no_proxy_is_refused_at_once(kind: Any, proxy: str) -> None:
    """A proxy that cannot be one is told where it is given, with the remedy, and not shown."""
    with pytest.raises(ConfigurationError, match="a URL such as") as caught:
        kind(proxy=proxy)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "proxy",
    [
        "ftp://user:canary@127.0.0.1:1",
        "socks5://user:canary@127.0.0.1:1",
        "http://user:canary@[127.0.0.1",
        "http://user:canary@127.0.0.1:65536000",
    ],
)
def test_a_proxy_that_cannot_be_used_is_an_error(kind: Any, proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment that the library cannot use is `ServerUnavailable`, and no call goes without it."""
    for variable in ("HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(variable, proxy)
    with pytest.raises(ServerUnavailable, match="could not be called") as caught:
        kind().send(post("http://sp.auth.invalid/o/client/token"))
    assert "canary" not in str(caught.value)


def test_there_is_a_default() -> None:
    """Without a word about it, a transport on an installed library is found."""
    assert type(default_transport()) is RequestsTransport


def test_without_any_library_it_is_pythons_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no HTTP library at all, the one that comes with Python will do."""
    for name in ("requests", "httpx", "httpx2", "aiohttp"):
        monkeypatch.delitem(sys.modules, f"dcrauth.transports.{name}")
        monkeypatch.setitem(sys.modules, name, None)
    assert type(default_transport()) is HttpClientTransport


def test_pythons_own_shows_no_secret_to_a_proxy_that_it_cannot_use() -> None:
    """A proxy that is to be reached by TLS or SOCKS is refused before anything is sent, and not gone around."""
    for proxy in ("https://user:canary@127.0.0.1:1", "socks5h://user:canary@127.0.0.1:1"):
        with pytest.raises(ServerUnavailable, match=r"UnknownProtocol") as caught:
            HttpClientTransport(proxy=proxy).send(post("https://sp.auth.invalid/o/client/token"))
        assert "canary" not in str(caught.value)
