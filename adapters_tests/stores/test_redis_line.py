"""What comes between a RedisStore and its servers: bad lines, certificates, and users with few rights."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from adapters_tests.common.clock import ManualClock
from adapters_tests.common.direct import Server
from adapters_tests.common.ports import free_port
from adapters_tests.servers.chaos import (
    Bandwidth,
    ChaosProxy,
    Drip,
    Garbage,
    HalfClose,
    Latency,
    Reset,
    Toxic,
    Truncation,
)
from adapters_tests.servers.redis_clusters import LoneNode
from adapters_tests.servers.redis_groups import asked_for
from adapters_tests.servers.redis_sentinels import SERVICE, Sentinel, WatchedServer
from adapters_tests.servers.redis_server import RedisServer
from dcrauth import RedisStore, StoreUnavailable, StoreWarning
from dcrauth.engine.records import StoredCredentials, read_credentials
from dcrauth.stores import _redis_cluster, _redis_servers

FORMS: dict[str, Any] = {"one": RedisServer, "cluster": LoneNode, "sentinel": WatchedServer}


@pytest.fixture(scope="module", params=FORMS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One server, a cluster of one node, or a server that a Sentinel names."""
    if request.param != "one":
        asked_for()
    with FORMS[request.param](tmp_path_factory.mktemp(request.param) / "server", journal=True) as server:
        yield server
        server.ask("ACL", "DELUSER", "least")


@pytest.fixture
def proxy(server: Any) -> Iterator[ChaosProxy]:
    """A line to it that breaks in many ways, and to which all clients are sent."""
    server.ask("FLUSHALL")
    with ChaosProxy(f"redis://127.0.0.1:{server.port}", seed=1) as proxy, sent_to(server, port_of(proxy)):
        yield proxy


def port_of(proxy: ChaosProxy) -> int:
    return int(proxy.url.rpartition(":")[2])


@contextmanager
def sent_to(server: Any, port: int) -> Iterator[None]:
    """Have the clients of a server go to another port."""
    if isinstance(server, LoneNode):
        server.ask("CONFIG", "SET", "cluster-announce-port", port)
        yield
        server.ask("CONFIG", "SET", "cluster-announce-port", 0)
    elif isinstance(server, WatchedServer):
        server.name_port(port)
        yield
        server.name_port(server.port)
    else:
        yield


def url_by(server: Any, proxy: ChaosProxy) -> str:
    """Return the URL of a server behind a proxy."""
    if isinstance(server, WatchedServer):
        return str(server.url)
    return re.sub(r":\d+/0", f":{port_of(proxy)}/0", server.url)


TOXICS: dict[str, Toxic] = {
    "reset": Reset(after=120),
    "reset at once": Reset(),
    "cut": Truncation(after=200),
    "cut on the way": Truncation(after=300, direction="request"),
    "half-open": HalfClose(after=150),
    "half-open on the way": HalfClose(after=200, direction="request"),
    "slow": Latency(seconds=0.01, jitter=0.02),
    "narrow": Bandwidth(rate=200_000),
    "dripping": Drip(seconds=0.25, after=200),
    "garbled": Garbage(after=150, length=16),
}


@pytest.mark.slow
@pytest.mark.fault(
    "the line to a Redis, a cluster or what Sentinels name is cut, slow, half-open or garbled in a renewal",
    "a token or `StoreUnavailable`; once it is well again the one client that is stored is used, and no other",
)
@pytest.mark.parametrize("toxic", TOXICS)
def test_a_bad_line(
    server: Any, proxy: ChaosProxy, toxic: str, time: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever a line does, nothing half-written is left, and of all clients the stored one is used only."""
    for module in (_redis_servers, _redis_cluster):
        monkeypatch.setattr(module, "FAIL_OVER", 0.2)
    api = Server()
    with RedisStore(f"{url_by(server, proxy)}?socket_timeout=0.2") as store:
        proxy.toxics = (TOXICS[toxic],)
        source = api.source_here(store, clock=time.clock)
        for each in (source, api.source(store, clock=time.clock)):
            with suppress(StoreUnavailable):
                each.token()
        assert proxy.strikes
        proxy.calm()
        proxy.hang_up()
        time.advance(120.0)
        key = f"{source.status().identity}.credentials"
        api.source(store, clock=time.clock).token()
        source.token()
        found = read_credentials(key, store.get(key) or b"")
        assert isinstance(found, StoredCredentials)
        assert set(api.world.used) == {found.credentials.client_id}


@pytest.mark.slow
@pytest.mark.parametrize("form", ["cluster", "sentinel"])
def test_certificates_of_ones_own(form: str, tmp_path: Path) -> None:
    """With rediss the certificates of all servers are checked against what the URL names, of Sentinels as well."""
    asked_for()
    authority, port = trustme.CA(), free_port()
    certificate, trusted = authority.issue_cert("127.0.0.1"), tmp_path / "authority.pem"
    (tmp_path / "key.pem").write_bytes(certificate.private_key_pem.bytes())
    (tmp_path / "certificate.pem").write_bytes(certificate.cert_chain_pems[0].bytes())
    authority.cert_pem.write_to_path(str(trusted))
    files = {"cert-file": tmp_path / "certificate.pem", "key-file": tmp_path / "key.pem", "ca-cert-file": trusted}
    options = ["--tls-port", str(port), "--tls-auth-clients", "no", "--tls-replication", "yes"]
    options += [word for name, path in files.items() for word in (f"--tls-{name}", str(path))]
    with running_tls(form, tmp_path, port, options, files) as url:
        with RedisStore(f"{url}?ssl_ca_certs={trusted}") as store:
            assert store.add("key.credentials", b"value") is True
            assert store.get("key.credentials") == b"value"
        with (
            RedisStore(url) as store,
            pytest.raises(StoreUnavailable, match=r"certificate verify failed|no Sentinel that answers"),
        ):
            store.get("key.credentials")


@contextmanager
def running_tls(form: str, folder: Path, port: int, options: list[str], files: dict[str, Path]) -> Iterator[str]:
    """Run servers that speak TLS at *port*; yield the URL without what to trust."""
    if form == "cluster":
        with LoneNode(folder / "server", *options, "--tls-cluster", "yes"):
            yield f"rediss+cluster://127.0.0.1:{port}"
        return
    door = free_port()
    lines = [f"tls-port {door}", "tls-auth-clients no", "tls-replication yes"]
    lines += [f"tls-{name} {path}" for name, path in files.items()]
    with RedisServer(folder / "server", *options) as server:
        server.port, plain = port, server.port
        watching = Sentinel(folder / "sentinel", server, *lines, quorum=1, down_after=60_000)
        server.port = plain
        with watching:
            yield f"rediss+sentinel://127.0.0.1:{door}/{SERVICE}"


LEAST = {
    "+get": "read",
    "+set": "write",
    "+del": "delete",
    "+eval": "replace",
    "+pexpire": "hold a lock",
    "+scan": "list",
    "+info": "know what the server is",
    "+config|get": "know its settings",
    "+wait": "know whether replicas have it",
}
"""The rights that docs/stores.md names for one server, and what each is for."""
OF_CLUSTERS = {"+cluster|slots": "know the nodes", "+command": "know the commands", "+asking": "follow what is moved"}
ONLY_WARNED = {"+info", "+config|get"}
ELSEWHERE = {"+asking", "+pexpire", "+wait", "+command"}
"""Of these the lack shows in what this test does not do, or in one version of redis-py."""


def test_the_rights_are_those_of_the_page() -> None:
    """The documentation names the rights that are tested here."""
    page = (Path(__file__).parents[2] / "docs" / "stores.md").read_text(encoding="utf-8")
    named = re.search(r"ACL SETUSER shop on >secret ~dcrauth:\* (.*)", page)
    assert named
    assert set(named[1].split()) == LEAST.keys()
    assert f"`{' '.join(OF_CLUSTERS)}`" in page


def test_the_least_rights(server: Any) -> None:
    """A user with the rights that are documented can do all; without one of them an error, or a warning, says so."""
    needed = LEAST | (OF_CLUSTERS if isinstance(server, LoneNode) else {})
    with pytest.MonkeyPatch.context() as patched:
        for module in (_redis_servers, _redis_cluster):
            patched.setattr(module, "FAIL_OVER", 0.1)
        for number, left_out in enumerate(["", *sorted(needed.keys() - ELSEWHERE)]):
            rights = [each for each in needed if each != left_out]
            server.ask("ACL", "SETUSER", "least", "reset", "on", ">secret", "~least:*", *rights)
            with RedisStore(server.url.replace("://", "://least:secret@"), prefix="least:") as store:
                key = f"{number}.credentials"
                with outcome_without(left_out):
                    do_all(store, key)


def outcome_without(right: str) -> Any:
    """Return what tells of the lack of a right; of none nothing is told."""
    if right in ONLY_WARNED:
        return pytest.warns(StoreWarning, match=r"does not tell") if right == "+info" else nullcontext()
    return (
        pytest.raises(StoreUnavailable, match=r"(NoPermission|Response)Error; grant this to its user")
        if right
        else nullcontext()
    )


def do_all(store: RedisStore, key: str) -> None:
    """Do everything that a store does."""
    store.healthcheck()
    with store.lock(key, wait=0):
        assert store.add(key, b"old") is True
    assert store.replace(key, b"new", expected=b"old") is True
    assert key in set(store.keys())
    assert store.get(key) == b"new"
    store.put(key, b"newer")
    store.delete(key)
