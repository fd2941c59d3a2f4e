"""Tokens that are bound to the certificate of a client (RFC 8705 §3), over real sockets and real files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

import dcrauth.requests
from adapters_tests.transports.test_transports import TRANSPORTS
from dcrauth import MemoryStore, MutualTLS, OAuthServer, TokenSource
from dcrauth.simulator import OAuthSimulator
from dcrauth.transports.requests import RequestsTransport

MakeSource = Callable[..., TokenSource]
NAME = "client.example"
BOUND = {"tls_client_certificate_bound_access_tokens": True, "software_id": "films"}


@dataclass
class Process:
    """A source with a certificate of its own, and a session that shows the same one."""

    oauth: OAuthSimulator
    make_source: MakeSource
    folder: Path
    store: MemoryStore
    kind: Any = RequestsTransport
    provider: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.folder.mkdir()
        self.certificate, self.key, self.trusted = (self.folder / each for each in ("tls.crt", "tls.key", "ca.pem"))
        self.trusted.write_bytes(self.oauth.authority or b"")
        self.put(*self.another())
        transport = self.kind(client_certificate=self.pair, ca_bundle=self.trusted)
        self.source = self.make_source(provider=self.server(), transport=transport, store=self.store)

    @property
    def pair(self) -> tuple[str, str]:
        return str(self.certificate), str(self.key)

    def another(self) -> tuple[bytes, bytes]:
        """Return a new certificate of the client, and its key."""
        pem = self.oauth.client_certificate(NAME)
        key, *certificates = re.findall(rb"-----BEGIN.+?-----END [^\n]+\n", pem, re.DOTALL)
        return b"".join(certificates), key

    def put(self, certificate: bytes, key: bytes) -> None:
        self.certificate.write_bytes(certificate)
        self.key.write_bytes(key)

    def server(self) -> OAuthServer:
        given: dict[str, Any] = {
            "protects": [self.oauth.api_url],
            "client_metadata": BOUND,
            "client_authentication": MutualTLS(metadata={"tls_client_auth_san_dns": NAME}),
        }
        return OAuthServer(self.oauth.issuer, **given | self.provider)

    def get(self) -> int:
        with requests.Session() as session:
            session.auth = dcrauth.requests.DCRAuth(self.source)
            session.verify, session.cert, session.trust_env = str(self.trusted), self.pair, False
            return session.get(self.oauth.api_url, timeout=20).status_code


@pytest.fixture
def oauth() -> Iterator[OAuthSimulator]:
    with OAuthSimulator(tls=True) as running:
        yield running


@pytest.fixture
def process(oauth: OAuthSimulator, make_source: MakeSource, tmp_path: Path) -> Process:
    return Process(oauth, make_source, tmp_path / "one", MemoryStore())


def refused(oauth: OAuthSimulator) -> int:
    return sum(call.status == 401 for call in oauth.calls if call.endpoint == "api")


def token_keys(store: MemoryStore) -> list[str]:
    return sorted(key.partition(".")[2] for key in store.keys() if ".token" in key)


def test_after_a_swap_no_call_is_refused(oauth: OAuthSimulator, process: Process) -> None:
    """A token that is bound to a certificate which was replaced is not sent: another one is fetched before."""
    assert [process.get(), process.get()] == [200, 200]
    process.put(*process.another())
    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(lambda _: process.get(), range(20))) == {200}
    assert (oauth.counts.token, oauth.counts.register, refused(oauth)) == (2, 1, 0)
    assert len(token_keys(process.store)) == 1, "what was bound to the old certificate is not kept"


def test_half_of_a_swap_changes_nothing(oauth: OAuthSimulator, process: Process) -> None:
    """As long as certificate and key are not of one pair, the token in hand is good; with the key comes another one."""
    token = process.source.token()
    certificate, key = process.another()
    process.certificate.write_bytes(certificate)
    assert [process.source.token() for _ in range(3)] == [token] * 3
    process.key.write_bytes(key)
    assert process.source.token() != token
    assert (process.get(), oauth.counts.token) == (200, 2)


@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(each, id=each.__name__, marks=[pytest.mark.slow] * (each is not TRANSPORTS[0]))
        for each in TRANSPORTS
    ],
)
def test_another_certificate_is_another_token(
    oauth: OAuthSimulator, make_source: MakeSource, tmp_path: Path, kind: Any
) -> None:
    """A process with another certificate uses the client, and never the token; one with the same adopts it."""
    store = MemoryStore()
    one, two = (Process(oauth, make_source, tmp_path / name, store, kind) for name in ("one", "two"))
    assert [one.get(), two.get(), one.get(), two.get()] == [200] * 4
    assert (oauth.counts.register, oauth.counts.token, refused(oauth)) == (1, 2, 0)
    again = Process(oauth, make_source, tmp_path / "again", store, kind)
    again.put(one.certificate.read_bytes(), one.key.read_bytes())
    assert (again.get(), oauth.counts.token) == (200, 2)
    assert again.source.forget()
    assert token_keys(store) == []


def test_other_tokens_are_called_what_they_were(oauth: OAuthSimulator, make_source: MakeSource, tmp_path: Path) -> None:
    """The record of a token that is bound to no certificate has the key that it always had, whatever is shown."""
    plain: dict[str, Any] = {"client_metadata": {}, "client_authentication": None}
    process = Process(oauth, make_source, tmp_path / "one", MemoryStore(), provider=plain)
    process.source.token()
    assert token_keys(process.store) == ["token"]
    assert process.source.fresh() is not None, "nothing is looked at for it"
    process.put(*process.another())
    process.source.token()
    assert oauth.counts.token == 1


def test_a_scope_and_a_certificate(oauth: OAuthSimulator, make_source: MakeSource, tmp_path: Path) -> None:
    """The tokens of one client for two scopes stay two where they are bound to a certificate."""
    store = MemoryStore()
    process = Process(oauth, make_source, tmp_path / "one", store, provider={"scope": "read write"})
    transport = RequestsTransport(client_certificate=process.pair, ca_bundle=process.trusted)
    narrow = make_source(provider=process.server().for_scope("read"), transport=transport, store=store)
    assert process.source.token() != narrow.token()
    keys = token_keys(store)
    assert (len(keys), len({each.partition("-certificate-")[2] for each in keys})) == (2, 1)
