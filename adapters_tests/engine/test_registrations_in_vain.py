"""A registration that is carried out and answered with nothing usable, or refused: how often it is sent again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.common.clients import Kind
from adapters_tests.common.clock import ManualClock
from adapters_tests.common.direct import Server
from dcrauth import (
    AdobePass,
    ClientCredentials,
    Clock,
    DCRAuthError,
    FileStore,
    MemoryStore,
    Policy,
    RegistrationRejected,
    ServerUnavailable,
    Store,
    StoreUnavailable,
    TokenSource,
    events,
)
from dcrauth.engine.identity import is_of_credentials
from dcrauth.engine.records import LARGEST, storable, write_credentials
from dcrauth.engine.workers import WORKERS
from dcrauth.providers.protocol import Problem, Response
from dcrauth.simulator import Behaviour, Fault, Simulator

HOUR = 3600.0
PROBE = Policy().probe_after

Make = Callable[..., TokenSource]


@pytest.fixture
def make(make_source: Make) -> Make:
    """Make token sources with the usual policy."""
    return lambda **settings: make_source(**{"policy": Policy()} | settings)


def credentials_in(store: Store) -> list[str]:
    return list(filter(is_of_credentials, store.keys()))


def fields(**given: Any) -> bytes:
    return json.dumps({"client_id": "a", "client_secret": "b"} | given, ensure_ascii=False).encode()


UNUSABLE: dict[str, tuple[int, bytes]] = {
    "no secret": (201, b'{"client_id": "a"}'),
    "no id": (201, b'{"client_secret": "b"}'),
    "neither": (200, b"{}"),
    "a secret that is null": (201, fields(client_secret=None)),
    "an empty secret": (201, fields(client_secret="")),
    "an id that is a number": (201, fields(client_id=5)),
    "an id that is true": (200, fields(client_id=True)),
    "a list of ids": (201, fields(client_id=["a"])),
    "a line break in the secret": (201, fields(client_secret="b\r\nX: y")),
    "a secret beyond ASCII": (201, fields(client_secret="schlüssel")),
    "an id beyond all measure": (201, fields(client_id="a" * LARGEST)),
    "a name twice": (201, b'{"client_id": "a", "client_id": "a", "client_secret": "b"}'),
    "a number that is none": (201, b'{"client_id": "a", "client_secret": "b", "x": NaN}'),
    "nested too deeply": (201, b'{"client_id": "a", "client_secret": "b", "x": ' + b"[" * 60 + b"]" * 60 + b"}"),
    "half of it": (201, b'{"client_id": "a", "client_sec'),
    "another character set": (201, fields().decode().encode("utf-16")),
    "a list": (200, b"[]"),
    "a page": (200, b"<html>welcome</html>"),
    "nothing": (201, b""),
    "accepted, for later": (202, b'{"status": "pending"}'),
    "more than is read": (201, fields(x="x" * (1 << 20))),
    "an error of its own": (200, b'{"error": "Forbidden"}'),
    "an error of OAuth's": (200, b'{"error": "invalid_client_metadata"}'),
    "an error that passes": (200, b'{"error": "temporarily_unavailable"}'),
    "an Enhanced Error": (200, b'{"status": 400, "code": "invalid_client", "action": "none"}'),
}


@pytest.mark.fault(
    "a registration succeeds with an answer that cannot be used",
    "`RegistrationRejected`; no process registers this identity for a day, as each attempt would make one more client",
)
@pytest.mark.parametrize("what", UNUSABLE)
def test_no_second_registration(what: str, make: Make, adobe: Simulator, time: ManualClock) -> None:
    """However often it is asked, and by however many processes, one store sees one registration a day."""
    status, body = UNUSABLE[what]
    adobe.inject("register", Fault(status=status, body=body), times=None)
    store = MemoryStore()
    first = make(store=store)
    for source in (first, make(store=store), first, make(store=store)):
        with pytest.raises(RegistrationRejected, match=r"one more client.*forget\(\)") as caught:
            source.token()
        assert caught.value.status == status
        time.advance(PROBE)
    assert credentials_in(store) == []
    assert (adobe.counts.register, adobe.counts.token) == (1, 0)
    time.advance(24 * HOUR - 4 * PROBE - 60)
    with pytest.raises(RegistrationRejected):
        make(store=store).token()
    assert adobe.counts.register == 1
    time.advance(PROBE)
    adobe.clear_faults()
    assert first.token().value == make(store=store).token().value
    assert adobe.counts.register == 2


@pytest.mark.fault(
    "the answer to a registration is compressed in a way that nobody can read",
    "the server has carried it out: `RegistrationRejected`, and no other one for a day",
)
def test_no_second_registration_after_what_cannot_be_read(kind: Kind, make: Make, adobe: Simulator, api: str) -> None:
    """On every client, a status that says "done" counts even where the transport cannot read what is beside it."""
    brotli = Fault(status=201, body=fields(), headers=(("Content-Encoding", "br"),))
    adobe.inject("register", brotli, times=None)
    store = MemoryStore()
    for told in ("encoding", "HTTP 201"):
        source = make(store=store, transport=kind.auth._own_transport())
        with kind.open(kind.auth(source)) as app, pytest.raises(kind.host_error, match=told) as caught:
            app.get(api)
        assert isinstance(caught.value, RegistrationRejected)
    assert adobe.counts.register == 1


PROGRAM = """
import sys
from dcrauth import AdobePass, FileStore, RegistrationRejected, SQLiteStore, TokenSource
url, statement, place = sys.argv[1:]
store = SQLiteStore(place) if place.endswith(".db") else FileStore(place)
sys.stdin.readline()
try:
    TokenSource(AdobePass(statement, base_url=url), store=store).token()
except RegistrationRejected as error:
    print(error.status)
"""


@pytest.mark.fault(
    "processes start at once, and over and over, while the registration endpoint answers nothing usable",
    "one registration in all",
)
@pytest.mark.parametrize("place", ["folder", pytest.param("file.db", marks=pytest.mark.slow)])
def test_no_second_registration_by_another_process(place: str, adobe: Simulator, tmp_path: Path) -> None:
    """What one process was told holds for those that wait for it, and for those that start later."""
    adobe.behaviour = Behaviour(registers="no secret", register_delay=0.2)
    command = [sys.executable, "-c", PROGRAM, adobe.url, adobe.software_statement, str(tmp_path / place)]
    said: list[str] = []
    for count in (3, 1):
        started = [
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
        ]
        said += [each.communicate("go\n", timeout=50)[0] for each in started]
    assert said == ["201\n"] * 4
    assert (adobe.counts.registered, adobe.counts.token) == (1, 0)


@pytest.mark.fault(
    "a registration has brought nothing usable, and another software statement or another server is used since",
    "it is registered at once",
)
def test_another_statement_may_register(make: Make, adobe: Simulator, foreign: Simulator) -> None:
    """What was said to one statement says nothing of the next download of it, nor of another server."""
    store = MemoryStore()
    adobe.behaviour = Behaviour(registers="no secret")
    for _ in range(2):
        with pytest.raises(RegistrationRejected):
            make(store=store).token()
    assert make(store=store, provider=AdobePass(foreign.software_statement, base_url=foreign.url)).token()
    adobe.behaviour = Behaviour()
    application = "c46ab0ba-7b7a-4a5f-8d2f-5a5e1d9a6f10"
    new = make(store=store, provider=AdobePass(adobe.statement(application), base_url=adobe.url))
    assert new.token()
    assert adobe.counts.register == 2


@pytest.mark.fault(
    "a registration has brought nothing usable, and `forget()` is called, in this process or in another one",
    "the next request registers",
)
@pytest.mark.parametrize("where", ["here", "elsewhere"])
def test_to_forget_lifts_the_bar(where: str, make: Make, adobe: Simulator, time: ManualClock) -> None:
    """Once the server is mended, forget() is how to say so to all processes."""
    store = MemoryStore()
    adobe.behaviour = Behaviour(registers="number")
    source = make(store=store)
    with pytest.raises(RegistrationRejected):
        source.token()
    adobe.behaviour = Behaviour()
    assert (source if where == "here" else make(store=store)).forget() is False
    if where == "elsewhere":
        with pytest.raises(RegistrationRejected):
            source.token()
        time.advance(PROBE)
    assert source.token()
    assert adobe.counts.register == 2


class Forgetful(MemoryStore):
    """A store that does not take notes, though it takes everything else."""

    def __init__(self) -> None:
        super().__init__()
        self.takes = False

    def put(self, key: str, value: bytes) -> None:
        if key.endswith(".registration") and not self.takes:
            raise StoreUnavailable("no room for notes")
        super().put(key, value)


@pytest.mark.fault(
    "the store does not take the note on a registration that has brought nothing usable",
    "the process itself remembers, and notes it as soon as the store does",
)
def test_a_note_that_is_not_taken(make: Make, adobe: Simulator, time: ManualClock) -> None:
    """A store that fails afterwards is no reason to register again."""
    adobe.behaviour = Behaviour(registers="no secret")
    store, told = Forgetful(), list[events.Event]()
    source = make(store=store, on_event=told.append)
    for _ in range(3):
        with pytest.raises(RegistrationRejected):
            source.token()
        time.advance(PROBE)
    assert source.flush_events(20)
    assert [type(event.error) for event in told if isinstance(event, events.StoreProblem)] == [StoreUnavailable] * 3
    store.takes = True
    for each in (source, make(store=store)):
        with pytest.raises(RegistrationRejected):
            each.token()
    assert adobe.counts.register == 1


def test_a_damaged_note_is_replaced(make: Make, adobe: Simulator) -> None:
    """A note that cannot be read says nothing, and the next one takes its place: no identity is locked out for good."""
    adobe.behaviour = Behaviour(registers="no secret")
    store = MemoryStore()
    with pytest.raises(RegistrationRejected):
        make(store=store).token()
    (key,) = store.keys()
    store.put(key, b"damaged")
    for _ in range(2):
        with pytest.raises(RegistrationRejected):
            make(store=store).token()
    assert adobe.counts.register == 2


@pytest.mark.fault(
    "the note on a registration that has brought nothing usable is damaged in the store, while its process goes on",
    "the process itself remembers, and writes the note anew",
)
def test_a_damaged_note_is_written_anew(make: Make, adobe: Simulator, time: ManualClock) -> None:
    """A damaged note is not taken for one that forget() has deleted."""
    adobe.behaviour = Behaviour(registers="no secret")
    store = MemoryStore()
    source = make(store=store)
    for _ in range(3):
        with pytest.raises(RegistrationRejected):
            source.token()
        (key,) = store.keys()
        store.put(key, b"damaged")
        time.advance(PROBE)
    for each in (source, make(store=store)):
        with pytest.raises(RegistrationRejected):
            each.token()
    assert adobe.counts.register == 1


class Terse(AdobePass):
    """A provider whose problems do not say which status an answer had."""

    def read_registration(self, response: Response) -> Problem:
        """Find nothing usable in any answer."""
        return Problem("nothing usable")


def test_a_problem_without_a_status_has_that_of_the_answer(make: Make, adobe: Simulator) -> None:
    """That a registration was carried out does not rest on what a provider says of it."""
    provider = Terse(adobe.software_statement, base_url=adobe.url)
    with pytest.raises(RegistrationRejected, match="one more client"):
        make(provider=provider).token()
    assert adobe.counts.register == 1


@pytest.mark.fault(
    "the clock is set back while a registration that has brought nothing usable stands against others",
    "the process itself remembers for how long",
)
def test_a_clock_that_is_set_back(adobe: Simulator, time: ManualClock) -> None:
    """A process knows its own note again, whatever has become of the wall clock."""
    adobe.behaviour = Behaviour(registers="no secret")
    ahead = [50 * HOUR]
    clock = Clock(wall=lambda: time.wall() + ahead[0], monotonic=time.monotonic, sleep=time.sleep)
    provider = AdobePass(adobe.software_statement, base_url=adobe.url)
    source = TokenSource(provider, store=MemoryStore(), clock=clock)
    for _ in range(3):
        with pytest.raises(RegistrationRejected):
            source.token()
        time.advance(PROBE)
        ahead[0] -= 10 * HOUR
    assert adobe.counts.register == 1


@pytest.mark.fault(
    "the note on a registration that has brought nothing usable was made by a clock that was ahead",
    "it says nothing: one registration more, and no process is locked out for longer than a day",
)
def test_a_note_of_the_future(make: Make, adobe: Simulator, time: ManualClock) -> None:
    """A clock that was ahead by a year locks nobody out for a year."""
    adobe.behaviour = Behaviour(registers="no secret")
    store = MemoryStore()
    time.advance(365 * 24 * HOUR)
    with pytest.raises(RegistrationRejected):
        make(store=store).token()
    time.advance(-365 * 24 * HOUR)
    for _ in range(3):
        with pytest.raises(RegistrationRejected):
            make(store=store).token()
    assert adobe.counts.register == 2


@pytest.mark.fault(
    "the client is refused, and what a new registration brings cannot be used",
    "`RegistrationRejected`; the stored pair stays where it is, and is used again should the server know it again",
)
def test_a_replacement_in_vain(make: Make, adobe: Simulator, time: ManualClock) -> None:
    """A refused client is not given up for one that cannot be used, nor is one made at each attempt."""
    store = MemoryStore()
    source = make(store=store)
    first = source.token()
    kept = dict(adobe.environment()._registry._clients)
    adobe.revoke_clients()
    adobe.behaviour = Behaviour(registers="no secret")
    for _ in range(3):
        time.advance(7 * HOUR)
        with pytest.raises(RegistrationRejected):
            source.token()
    assert adobe.counts.register == 2
    adobe.environment()._registry._clients.update(kept)
    time.advance(PROBE)
    assert source.token() != first
    assert adobe.counts.register == 2
    records = [json.loads(store.get(key) or b"")["payload"]["client_id"] for key in credentials_in(store)]
    assert set(records) == set(kept)


@pytest.mark.fault(
    "a registration brings an id or a secret with spaces in it", "both are kept and used (RFC 6749 appendix A)"
)
@pytest.mark.parametrize("form", ["form", "query"])
def test_spaces_are_part_of_credentials(form: Any, make: Make, adobe: Simulator, tmp_path: Path) -> None:
    """Stored, read by another process and sent, an id and a secret keep their spaces."""
    adobe.behaviour = Behaviour(registers="spaced")
    provider = AdobePass(adobe.software_statement, base_url=adobe.url, token_request=form)
    store = FileStore(tmp_path / "store")
    first = make(provider=provider, store=store).token()
    other = make(provider=provider, store=FileStore(tmp_path / "store"))
    assert other.token(instead_of=first) == other.token()
    assert (adobe.counts.register, adobe.counts.registered) == (1, 1)
    (client,) = adobe.environment()._registry._clients
    assert client.count(" ") == 4


@pytest.mark.fault(
    "a registration answers so much that its record would be too large",
    "it is stored without what the server has added; it is not registered again",
)
def test_extras_that_are_too_much(make: Make, adobe: Simulator, tmp_path: Path, time: ManualClock) -> None:
    """What is precious is the pair: the rest is left out before the store refuses all of it at each start."""
    ending = int(time.wall()) + 3 * 86_400
    answer = fields(client_secret_expires_at=ending, scopes=["é" * 200_000])
    adobe.inject("register", Fault(status=201, body=answer), times=None)
    adobe.inject("token", Fault(status=201, body=b'{"access_token":"t"}'), times=None)
    told: list[events.Event] = []
    for _ in range(3):
        source = make(store=FileStore(tmp_path / "store"), on_event=told.append)
        assert source.token().value == "t"
        time.advance(HOUR)
        assert source.flush_events(20)
    assert adobe.counts.register == 1
    assert {event.expires_at for event in told if isinstance(event, events.CredentialsEnding)} == {ending}


BROKEN_PAIRS: dict[str, Any] = {
    "a secret that is a number": {"client_secret": 5},
    "an empty id": {"client_id": ""},
    "a line break": {"client_secret": "b\n"},
    "half a character": {"client_id": "\ud800"},
    "a moment that is none": {"replaced_at": float("nan")},
}


@pytest.mark.parametrize("what", BROKEN_PAIRS)
def test_what_is_written_can_be_read(what: str) -> None:
    """Credentials that no reader would take are refused by the writer, before a record of them lies in the way."""
    pair = ClientCredentials(**{"client_id": "a", "client_secret": "b"} | BROKEN_PAIRS[what])
    with pytest.raises(ValueError, match="could not be read again"):
        write_credentials("key", pair)
    assert storable("key", pair) is None


def test_extras_that_are_no_json_are_left_out() -> None:
    """What a provider of somebody else's takes for metadata need not be JSON; the pair is stored without it."""
    for metadata in ({"at": object()}, {"x": float("inf")}, {"x": {1, 2}}):
        kept = storable("key", ClientCredentials("a", "b", metadata=metadata))
        assert kept is not None
        assert kept.metadata == {}


class Generous(AdobePass):
    """A provider that takes a client without an id for credentials."""

    def read_registration(self, response: Response) -> ClientCredentials | Problem:
        return ClientCredentials("", json.loads(response.body)["client_secret"])


def test_a_provider_that_accepts_what_cannot_be_stored(make: Make, adobe: Simulator, time: ManualClock) -> None:
    """Whatever a provider accepts, what could not be read again is not stored, and not registered over and over."""
    store = MemoryStore()
    provider = Generous(adobe.software_statement, base_url=adobe.url)
    for told in ("no record can hold", "HTTP 201", "HTTP 201"):
        with pytest.raises(RegistrationRejected, match=told):
            make(provider=provider, store=store).token()
        time.advance(PROBE)
    assert credentials_in(store) == []
    assert adobe.counts.register == 1


REFUSED = ["invalid_software_statement", "unapproved_software_statement", "invalid_redirect_uri", "unknown_application"]


@pytest.mark.fault(
    "the software statement is refused to one of many identities",
    "the others of the process fail with the same error at once; one of all asks again in five minutes",
)
@pytest.mark.parametrize("code", REFUSED)
def test_a_refused_statement_is_shown_by_one(code: str, make: Make, adobe: Simulator, time: ManualClock) -> None:
    """One refusal says all there is to say to the identities that show the same statement."""
    adobe.inject("register", Fault(status=400, body=json.dumps({"error": code}).encode()), times=None)
    sources = [make(instance=f"device-{number}") for number in range(10)]
    for probe in (1, 2, 3):
        for source in sources:
            with pytest.raises(RegistrationRejected) as caught:
                source.token()
            assert caught.value.error == code
            time.advance(PROBE / 20)
        assert adobe.counts.register == probe
        time.advance(PROBE / 2)
    adobe.clear_faults()
    assert len({source.token().value for source in sources}) == len(sources)


@pytest.mark.fault(
    "a process with many new identities starts, and its software statement is refused", "it is shown once"
)
def test_a_refused_statement_is_shown_once_by_a_crowd(adobe: Simulator) -> None:
    """As long as nobody knows what is said to a statement, one identity asks, and the others wait for that."""
    adobe.behaviour = Behaviour(register_delay=0.3)
    adobe.revoke_statement()
    provider = AdobePass(adobe.software_statement, base_url=adobe.url)
    sources = [TokenSource(provider, store=MemoryStore(), instance=str(number)) for number in range(20)]

    def attempt(source: TokenSource) -> str | None:
        try:
            source.token()
        except DCRAuthError as error:
            return error.error
        return None

    with ThreadPoolExecutor(20) as pool:
        assert set(pool.map(attempt, sources)) == {"unapproved_software_statement"}
    assert adobe.counts.register == 1


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        (Fault(status=503), ServerUnavailable),
        (Fault(status=400, body=b'{"error":"invalid_request"}'), RegistrationRejected),
        (Fault(status=403, body=b'{"error":"Forbidden"}'), ServerUnavailable),
    ],
)
def test_what_is_not_about_the_statement(
    fault: Fault, error: type[DCRAuthError], make: Make, adobe: Simulator, time: ManualClock
) -> None:
    """A failure, or a request that is wrong for one device, stops no other identity with the same statement."""
    adobe.inject("register", fault, times=3 if error is ServerUnavailable else 1)
    with pytest.raises(error):
        make(instance="one").token()
    time.advance(3)
    assert make(instance="two").token()


def test_an_interrupted_registration_holds_up_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is interrupted while showing a statement leaves it to the next identity at once."""
    monkeypatch.setattr(WORKERS, "submit", lambda _: False)
    interrupts, slept = [KeyboardInterrupt], []
    clock = Clock(sleep=slept.append)

    def interrupted_once() -> None:
        if interrupts:
            raise interrupts.pop()

    server = Server(on_registration=interrupted_once)
    with pytest.raises(KeyboardInterrupt):
        server.source(MemoryStore(), clock=clock).token()
    assert server.source(MemoryStore(), clock=clock, instance="another").token().value
    assert slept == []
