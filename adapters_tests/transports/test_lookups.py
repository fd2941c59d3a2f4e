"""Names that are looked up: in time, once for all who ask, and without end threads."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from adapters_tests.transports.kept_server import BODY, KeptServer, token_call
from dcrauth import ServerUnavailable
from dcrauth.transports import _lookups
from dcrauth.transports._lookups import MOST, Lookups

GETADDRINFO = socket.getaddrinfo


class Names:
    """Takes the place of ``getaddrinfo``."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.known: dict[str, list[str]] = {}
        self.go_on = threading.Event()

    def __call__(self, host: Any, port: Any, *rest: Any, **more: Any) -> Any:
        self.asked.append(str(host))
        if str(host).startswith("stuck"):
            self.go_on.wait(30)
        found = self.known.get(str(host), [host])
        return [each for address in found for each in GETADDRINFO(address, port, *rest, **more)]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """Names that a test makes up; look-ups of those that begin with "stuck" are."""
    names, lookups = Names(), Lookups()
    monkeypatch.setattr(socket, "getaddrinfo", names)
    for module in ("_lookups", "_httpx", "_urllib3", "_aiohttp"):
        monkeypatch.setattr(f"dcrauth.transports.{module}.LOOKUPS", lookups)
    yield names
    names.go_on.set()
    while lookups._threads:
        threading.Event().wait(0.005)


@pytest.mark.fault("the resolver of the system hangs", "the call ends within the timeout for connections")
def test_a_look_up_that_is_stuck_is_abandoned(make_transport: Any, names: Names) -> None:
    """A name that is not found out in time ends the call, and the next call looks again."""
    transport = make_transport(connect_timeout=0.05, proxy="")
    for _ in range(2):
        with pytest.raises(ServerUnavailable, match=r"stuck\.test could not be looked up within 0\.05 s"):
            transport.send(token_call("https://stuck.test"))
    while names.asked.count("stuck.test") < 2:
        threading.Event().wait(0.005)  # for a thread that has only just begun


def test_too_many_stuck_look_ups_fail_fast(names: Names) -> None:
    """While as many threads as there may be are stuck, no other one is begun; once they are not, names are found."""
    lookups = _lookups.LOOKUPS
    for number in range(MOST):
        with pytest.raises(ServerUnavailable, match="within"):
            lookups.find(f"stuck{number}.test", 80, 0.001)
    with pytest.raises(ServerUnavailable, match="16 look-ups are stuck"):
        lookups.find("localhost", 80, 10)
    while len(names.asked) < MOST:
        threading.Event().wait(0.005)  # for a thread that has only just begun
    assert (len(names.asked), lookups._threads) == (MOST, MOST)
    names.go_on.set()
    while lookups._stuck:
        threading.Event().wait(0.005)
    assert lookups.find("localhost", 80, 10)


def test_more_names_than_threads_wait_for_their_turn(names: Names) -> None:
    """Names that are only slow are all found, by no more threads than there may be."""
    lookups = _lookups.LOOKUPS
    hosts = [f"stuck{number}.test" for number in range(2 * MOST)]
    names.known = {host: ["127.0.0.1"] for host in hosts}
    with ThreadPoolExecutor(2 * MOST) as threads:
        found = [threads.submit(lookups.find, host, 80, 30) for host in hosts]
        while len(lookups._waiting) < MOST or len(names.asked) < MOST:
            threading.Event().wait(0.005)
        assert (len(names.asked), lookups._threads) == (MOST, MOST)
        names.go_on.set()
        assert [each.result()[0][4][0] for each in found] == ["127.0.0.1"] * len(hosts)


def test_a_name_is_looked_up_once_for_all(names: Names) -> None:
    """Who asks for a name that is being looked up waits for the same answer, an error too, each with one of its own."""
    lookups = _lookups.LOOKUPS
    names.known = {"stuck.test": ["nowhere.invalid"]}
    begun = [lookups.begin("stuck.test", 80) for _ in range(10)]
    names.go_on.set()
    assert len({id(each) for each in begun}) == 1
    errors = []
    for each in begun[:2]:
        with pytest.raises(socket.gaierror) as caught:
            _lookups.addresses(each.result(10))
        errors.append(caught.value)
    assert errors[0] is not errors[1]
    assert names.asked.count("stuck.test") == 1


def test_the_next_address_is_tried(make_transport: Any, names: Names) -> None:
    """Of several addresses, one that refuses is passed over; the name stays that of the request."""
    with KeptServer() as server:
        port = server.url.rpartition(":")[2]
        names.known = {"localhost": ["127.0.0.2", "127.0.0.1"]}
        transport = make_transport()
        assert transport.send(token_call(f"http://localhost:{port}")).body == BODY
        assert f"localhost:{port}".encode() in server.received[0]


@pytest.mark.parametrize("host", ["nowhere.invalid", "a" * 70 + ".invalid"])
def test_a_name_that_is_none(make_transport: Any, host: str) -> None:
    """A host without an address ends the call with an error that says so."""
    with pytest.raises(ServerUnavailable, match="could not be called"):
        make_transport(proxy="").send(token_call(f"https://{host}"))


def test_an_address_needs_no_thread(names: Names) -> None:
    """What is an address already is not waited for."""
    lookups = _lookups.LOOKUPS
    assert lookups.find("127.0.0.1", 80, 0)[0][4] == ("127.0.0.1", 80)
    assert lookups._threads == 0
    assert names.asked == ["127.0.0.1"]
