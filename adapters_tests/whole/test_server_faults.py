"""A token endpoint and a registration endpoint that fail in every way, over real sockets: what comes of it."""

from __future__ import annotations

import datetime as dt
import functools
import gzip
import json
import socket
import ssl
import tracemalloc
import zlib
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme

from adapters_tests.common.clients import Kind
from adapters_tests.common.clock import ManualClock
from adapters_tests.servers.odd_server import HEAD, OddServer, endlessly, nobody_accepts, reset_after, says, silent
from adapters_tests.transports.test_transports import TRANSPORTS, post, unused_url
from adapters_tests.whole.test_chaos import clients_used
from dcrauth import (
    AdobePass,
    CredentialsRejected,
    FileStore,
    MemoryStore,
    Policy,
    RegistrationRejected,
    Rejected,
    ServerUnavailable,
    Throttled,
    TokenSource,
)
from dcrauth.providers.protocol import Request, Response
from dcrauth.simulator import Behaviour, Fault, Simulator
from dcrauth.transports.aiohttp import AiohttpTransport

AIOHTTP = tuple(map(int, aiohttp.__version__.split(".")[:2]))

HOUR = 3600.0
UNHURRIED = Policy(timeout=300.0, least_pause=40.0)
"""The usual policy, but for a pause after a failure that no slow machine outlasts; three attempts are still made."""
NOT_KNOWN = Fault(status=400, body=b'{"error":"invalid_client"}')

Make = Callable[..., TokenSource]


@pytest.fixture(params=TRANSPORTS, ids=lambda each: each.__name__)
def transport(request: pytest.FixtureRequest) -> Any:
    """Each transport."""
    return request.param


@pytest.fixture
def store() -> MemoryStore:
    """The store of a test."""
    return MemoryStore()


@pytest.fixture
def make(make_source: Make, store: MemoryStore, time: ManualClock) -> Make:
    """Make token sources with the usual policy on the store of the test."""

    def made(**settings: Any) -> TokenSource:
        return make_source(**{"store": store, "policy": Policy()} | settings)

    return made


class Counting:
    """A transport that counts what it is asked to send."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self.count = 0

    def send(self, request: Request) -> Response:
        self.count += 1
        answer: Response = self._transport.send(request)
        return answer


def at(url: str, adobe: Simulator) -> AdobePass:
    """Adobe Pass at another URL than the simulator's."""
    return AdobePass(adobe.software_statement, base_url=url)


def credentials(store: MemoryStore) -> dict[str, bytes | None]:
    """The records of credentials, of any kind."""
    return {key: store.get(key) for key in store.keys() if not key.endswith(".token")}


def secret_in(record: bytes | None) -> str:
    """The client secret in a record of credentials."""
    secret: str = json.loads(record or b"")["payload"]["client_secret"]
    return secret


def api_of(adobe: Simulator) -> str:
    return f"{adobe.url}/api/v2/REF30/configuration"


@pytest.mark.fault(
    "the server is down, or its name unknown, at the first registration",
    "three attempts, `ServerUnavailable` with `retry_at`; nothing is stored, and a later request registers",
)
@pytest.mark.parametrize("trouble", ["refused", "unknown host"])
def test_a_server_that_is_not_there(
    transport: Any, trouble: str, make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """Without a server there is a clear error in time, no record, and the way is free once the server is back."""
    url = "https://nowhere.invalid" if trouble == "unknown host" else unused_url().removesuffix("/o/client/token")
    counting = Counting(transport())
    source = make(provider=at(url, adobe), transport=counting)
    with pytest.raises(ServerUnavailable, match="could not be called") as caught:
        source.token()
    assert caught.value.retry_at is not None
    assert counting.count == 3
    assert credentials(store) == {}
    if trouble == "refused":
        time.advance(60)
        with Simulator(port=urlsplit(url).port or 0, clock=time.wall) as back:
            back.environment()._registry = adobe.environment()._registry  # the same server, back again
            assert source.token().value
            assert back.counts.registered == 1


@pytest.mark.fault(
    "the server accepts no connection, or none of a TLS handshake or of an answer comes",
    "`ServerUnavailable` when the connect, read or total timeout is over",
)
@pytest.mark.parametrize("where", ["connect", "handshake", "answer"])
def test_a_server_that_stalls(transport: Any, where: str) -> None:
    """Whatever a connection waits for, the call ends in time."""
    patient = {"connect_timeout": 0.3, "read_timeout": 0.3, "total_timeout": 5.0}
    with nobody_accepts() as full, OddServer(silent) as server:
        url = {"connect": full, "handshake": server.url.replace("http:", "https:")}.get(where, server.url)
        with pytest.raises(ServerUnavailable):
            transport(**patient).send(post(url))


@pytest.mark.fault(
    "the answer to a registration is lost after the server has carried it out",
    "one more attempt; the client that nobody knows of is never used, and no other one is registered later",
)
def test_a_registration_whose_answer_is_lost(
    transport: Any, make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """An unknown outcome costs one orphan at the most, and only the client that was stored is ever used."""
    adobe.inject("register", Fault(reset=True, after=True))
    source = make(transport=transport())
    assert source.token().value
    time.advance(7 * HOUR)
    assert source.token().value
    assert (adobe.counts.register, adobe.counts.registered) == (2, 2)
    assert len(clients_used(adobe)) == len(credentials(store)) == 1


@pytest.mark.fault(
    "the answers to all registrations are lost",
    "three attempts, then `ServerUnavailable` until `retry_at`; nothing is stored",
)
def test_registrations_whose_answers_are_all_lost(make: Make, adobe: Simulator, store: MemoryStore) -> None:
    """However many callers there are, the number of clients that nobody knows of is bounded."""
    adobe.inject("register", Fault(reset=True, after=True), times=None)
    source = make(policy=UNHURRIED)
    for _ in range(10):
        with pytest.raises(ServerUnavailable):
            source.token()
    assert (adobe.counts.registered, adobe.counts.token) == (3, 0)
    assert credentials(store) == {}


@pytest.mark.fault(
    "a connection breaks in the middle of an answer, or the answer is shorter than announced",
    "the next attempt succeeds; of the broken answer nothing is stored",
)
@pytest.mark.parametrize("endpoint", ["register", "token"])
def test_an_answer_that_ends_early(
    transport: Any, endpoint: str, make: Make, adobe: Simulator, store: MemoryStore
) -> None:
    """Half an answer is none, even where the half could be read by itself."""
    whole = b'{"client_id":"half","client_secret":"half","access_token":"half"}'
    adobe.inject(endpoint, Fault(status=201, body=whole + b" " * 40, truncate=len(whole)))
    assert make(transport=transport()).token().value != "half"
    assert adobe.counts.register + adobe.counts.token == 3
    assert b"half" not in b"".join(value or b"" for value in credentials(store).values())


@pytest.mark.fault(
    "a connection ends in the middle of an answer's head", "`ServerUnavailable`: nobody knows what it said"
)
@pytest.mark.parametrize("head", [b"HTTP/1.1 201 Created\r\n", b"HTTP/1.1 201 Created\r\nContent-Le", HEAD])
def test_an_answer_whose_head_has_no_end(transport: Any, head: bytes) -> None:
    """A good status that breaks off is a lost answer, not one with nothing in it."""
    with OddServer(says(head)) as server, pytest.raises(ServerUnavailable) as caught:
        transport().send(post(server.url))
    assert caught.value.status is None


@pytest.mark.fault("a connection is reset in the middle of an answer", "`ServerUnavailable`, without a part of it")
@pytest.mark.parametrize(
    "part",
    [
        HEAD,
        HEAD + b"Content-Length: 50\r\n\r\n{canary",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n7\r\n{canary\r\n",
    ],
    ids=["head", "body", "chunks"],
)
def test_an_answer_that_is_broken_off(transport: Any, part: bytes) -> None:
    """A reset in the head or in the body ends the call with an error."""
    with OddServer(reset_after(part)) as server, pytest.raises(ServerUnavailable) as caught:
        transport().send(post(server.url))
    assert "canary" not in repr(caught.value)


@pytest.mark.fault(
    "an answer without a length never ends, though all of it seems to be there",
    "`ServerUnavailable` when the total timeout is over: what was cut off by us is not taken for whole",
)
@pytest.mark.slow
def test_an_answer_that_does_not_end(transport: Any) -> None:
    """Where our own deadline ends a connection, the end of the connection does not end the answer."""

    def behave(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n{}")
        silent(connection)

    with OddServer(behave) as server, pytest.raises(ServerUnavailable):
        transport(total_timeout=0.3).send(post(server.url))


@functools.cache
def _gzipped(depth: int) -> bytes:
    body = b"x" * 100_000_000
    for _ in range(depth):
        body = gzip.compress(body)
    encoding = b"Content-Encoding: " + b", ".join([b"gzip"] * depth)
    return HEAD + encoding + b"\r\nContent-Length: %d\r\n\r\n" % len(body) + body


MONSTERS = {
    "a huge body": lambda: endlessly(HEAD + b"Content-Length: 100000000\r\n\r\n", b"x" * 65_536),
    "a body without an end": lambda: endlessly(HEAD + b"\r\n", b"x" * 65_536),
    "a chunk without an end": lambda: endlessly(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nffffffff\r\n", b"x" * 65_536
    ),
    "chunks without an end": lambda: endlessly(HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"4\r\nxxxx\r\n" * 4096),
    "a bomb": lambda: says(_gzipped(1)),
    "a bomb in a bomb": lambda: says(_gzipped(2)),
    "a header without an end": lambda: endlessly(HEAD + b"X: ", b"x" * 65_536),
    "headers without an end": lambda: endlessly(HEAD, b"X-Y: z\r\n" * 8192),
    "first lines without an end": lambda: endlessly(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 2048),
}


@pytest.mark.fault(
    "an answer is huge, compressed to look small, or without an end, in its head or its body",
    "it is cut off at a mebibyte, with little memory used, or when its time is over",
)
@pytest.mark.parametrize("monster", MONSTERS)
def test_an_answer_that_is_too_much(transport: Any, monster: str) -> None:
    """No answer takes more memory than a few times the most that is read, or more than its time."""
    behave = MONSTERS[monster]()
    with OddServer(behave) as server:
        tracemalloc.start()
        try:
            with pytest.raises(ServerUnavailable):
                transport(total_timeout=0.6).send(post(server.url))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    # Before 3.14 aiohttp keeps all lines of a head until its time is over.
    keeps_heads = transport is AiohttpTransport and monster == "headers without an end" and AIOHTTP < (3, 14)
    assert peak < (400_000_000 if keeps_heads else 16_000_000)


@pytest.mark.fault("an answer is compressed although that was not asked for", "it is read all the same")
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity"])
def test_a_compressed_answer_is_read(transport: Any, encoding: str) -> None:
    """What a proxy has compressed is unfolded, in the two usual ways."""
    folds: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
    fold = folds.get(encoding, bytes)
    body = fold(b'{"a": 1}')
    head = HEAD + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding.encode(), len(body))
    with OddServer(says(head + body)) as server:
        assert transport().send(post(server.url)).body == b'{"a": 1}'


@pytest.mark.fault(
    "an answer is compressed in a way that nobody can read", "`ServerUnavailable`, without a part of the answer"
)
@pytest.mark.parametrize("encoding", [b"br", b"zstd", b"gzip, gzip", b"gzip", b"utf-8, BR"])
def test_an_answer_in_an_unknown_encoding(transport: Any, encoding: bytes) -> None:
    """What cannot be unfolded is no answer, though its status says that the call was carried out."""
    head = HEAD + b"Content-Encoding: " + encoding + b"\r\nContent-Length: 6\r\n\r\ncanary"
    with OddServer(says(head)) as server, pytest.raises(ServerUnavailable, match="encoding") as caught:
        transport().send(post(server.url))
    assert "canary" not in str(caught.value)
    assert caught.value.status == 200


@pytest.mark.fault("an answer names an encoding that is none, such as utf-8, none or binary", "it is read as it is")
@pytest.mark.parametrize("encoding", [b"utf-8", b"none", b"binary", b"UTF8", b"", b" ", b"identity, utf-8", b"canary"])
def test_an_answer_in_an_encoding_that_is_none(transport: Any, encoding: bytes) -> None:
    """What names no compression is a slip of the server's, and its answer may be as good as any."""
    head = HEAD + b"Content-Encoding: " + encoding + b"\r\nContent-Length: 8\r\n\r\n"
    with OddServer(says(head + b'{"a": 1}')) as server:
        assert transport().send(post(server.url)).body == b'{"a": 1}'


@pytest.mark.fault("a compressed answer names a character set beside", "it is unfolded and read")
def test_a_compressed_answer_with_an_encoding_that_is_none(transport: Any) -> None:
    """The compression counts, and what stands beside it does not."""
    body = gzip.compress(b'{"a": 1}')
    head = HEAD + b"Content-Encoding: utf-8, gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    with OddServer(says(head + body)) as server:
        assert transport().send(post(server.url)).body == b'{"a": 1}'


PORTAL = Fault(status=200, body=b"<html>please log in</html>", headers=(("Content-Type", "text/html"),))


@pytest.mark.fault(
    "a captive portal answers in the place of the server, with 200 and a page",
    "a live token goes on being used, the credentials stay; without a token, `ServerUnavailable`",
)
def test_a_captive_portal(kind: Kind, make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock) -> None:
    """A page is no token and no registration, whatever its status."""
    with kind.open(kind.auth(make())) as app:
        assert app.get(api_of(adobe)).status == 200
        before = credentials(store)
        adobe.inject("token", PORTAL, times=None)
        adobe.inject("register", PORTAL, times=None)
        time.advance(6 * HOUR - 50)
        assert app.get(api_of(adobe)).status == 200
        time.advance(HOUR)
        with pytest.raises(kind.host_error) as caught:
            app.get(api_of(adobe))
        assert isinstance(caught.value, ServerUnavailable)
        adobe.clear_faults()
        time.advance(60)
        assert app.get(api_of(adobe)).status == 200
    assert credentials(store) == before
    assert adobe.counts.register == 1


@pytest.mark.fault("an error comes with status 200", "it is an error: `Rejected`, without another call")
def test_an_error_with_status_200(make: Make, adobe: Simulator) -> None:
    """What an answer says counts, not its status."""
    adobe.inject("token", Fault(status=200, body=b'{"error":"unauthorized_client"}'), times=None)
    with pytest.raises(Rejected) as caught:
        make().token()
    assert (caught.value.status, caught.value.error) == (200, "unauthorized_client")
    assert adobe.counts.token == 1


@pytest.mark.fault("a success comes with status 201, or with 200", "it is a success")
@pytest.mark.parametrize("status", [200, 201])
def test_a_success_with_either_status(transport: Any, status: int, make: Make, adobe: Simulator) -> None:
    """Adobe answers 201 for a token too; both are taken, at both endpoints."""
    adobe.behaviour = Behaviour(token_status=status, register_status=status)
    assert make(transport=transport()).token().value


@pytest.mark.fault(
    "an answer has no access token, or one that cannot stand in a header",
    "the token in hand is kept; what came is neither stored nor sent",
)
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"access_token": ""},
        {"access_token": 5},
        {"access_token": None},
        {"access_token": "canary\r\nX: y"},
    ],
)
def test_an_unusable_token(
    fields: dict[str, Any], make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """A token that is none takes nobody's place."""
    source = make()
    first = source.token()
    adobe.inject("token", Fault(status=201, body=json.dumps(fields).encode()), times=None)
    time.advance(6 * HOUR - 50)
    assert source.token() == first
    assert adobe.counts.token > 1
    assert b"canary" not in b"".join(store.get(key) or b"" for key in store.keys())
    time.advance(60)
    with pytest.raises(ServerUnavailable, match="no usable access_token"):
        source.token()


@pytest.mark.fault(
    "a token is of another type than bearer",
    "it is neither stored nor sent: `Rejected`, one probe in five minutes; the token in hand is kept while it lives",
)
@pytest.mark.parametrize("kind", ["mac", "DPoP", "bearer token", "N_A", 5, True, ["bearer"], {}])
def test_a_token_of_another_type(
    kind: object, make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """To ask again would bring another token of the same type, so it is not asked for over and over."""
    source = make()
    first = source.token()
    answer = json.dumps({"access_token": "canary", "token_type": kind}).encode()
    adobe.inject("token", Fault(status=201, body=answer), times=None)
    time.advance(6 * HOUR - 50)
    assert source.token() == first
    time.advance(60)
    for _ in range(20):
        with pytest.raises(Rejected, match="a token_type other than bearer"):
            source.token()
        time.advance(10)
    assert adobe.counts.token == 2
    assert b"canary" not in b"".join(store.get(key) or b"" for key in store.keys())
    time.advance(50)
    adobe.clear_faults()
    assert source.token() != first


@pytest.mark.fault("an answer's token type is missing, null, empty, in other letters or `BearerToken`", "it is bearer")
@pytest.mark.parametrize("kind", [None, "", " ", "BEARER", "Bearer ", " bearer", "BearerToken"])
def test_a_token_type_that_is_bearer(kind: object, make: Make, adobe: Simulator) -> None:
    """What says nothing is taken for the only type that is known, as are the ways in which servers spell it."""
    answer = json.dumps({"access_token": "t", "token_type": kind}).encode()
    adobe.inject("token", Fault(status=201, body=answer))
    assert make().token().value == "t"
    assert adobe.counts.token == 1


@pytest.mark.fault(
    "an answer says nothing usable about the life of its token", "the token's own claims count, or else five minutes"
)
@pytest.mark.parametrize(
    ("life", "seconds"),
    [
        ("3600", 3600),
        ('"21600"', 21_600),
        ('" 3600.5"', 3600.5),
        ('""', 300),
        ("[]", 300),
        ("0", 300),
        ("-1", 300),
        ("true", 300),
        ("null", 300),
        ('"soon"', 300),
        ("1000000000000000000", 300),
    ],
)
def test_odd_lives_of_tokens(life: str, seconds: float, make: Make, adobe: Simulator, time: ManualClock) -> None:
    """No life, an absurd one, and one in words are passed over; a token never lives for ever."""
    adobe.inject("token", Fault(status=201, body=b'{"access_token":"t","expires_in":%s}' % life.encode()))
    assert make().token().expires_at == pytest.approx(time.wall() + seconds, abs=5)


@pytest.mark.fault(
    "an answer holds numbers that are none, or that no float can hold", "it is no JSON: `ServerUnavailable`"
)
@pytest.mark.parametrize("life", ["NaN", "Infinity", "1e999"])
def test_lives_that_are_no_numbers(life: str, make: Make, adobe: Simulator) -> None:
    """What is not JSON is not guessed at."""
    adobe.inject("token", Fault(status=201, body=b'{"access_token":"t","expires_in":%s}' % life.encode()), times=None)
    with pytest.raises(ServerUnavailable):
        make().token()


@pytest.mark.fault(
    "a registration or a token call is redirected, to the same host or another, or from https to http",
    "`ServerUnavailable`; the target is never contacted",
)
@pytest.mark.parametrize("endpoint", ["register", "token"])
@pytest.mark.parametrize("target", ["the same", "another", "http"])
def test_redirects_of_our_calls(
    transport: Any,
    endpoint: str,
    target: str,
    make: Make,
    adobe: Simulator,
    foreign: Simulator,
    time: ManualClock,
    tls: Callable[..., ssl.SSLContext],
    bundle: Path,
) -> None:
    """A secret that is redirected is not sent on."""
    with Simulator(ssl_context=tls("127.0.0.1"), clock=time.wall) as secure:
        server = secure if target == "http" else adobe
        to = f"{(server if target == 'the same' else foreign).url}/o/client/{endpoint}/elsewhere"
        source = make(
            provider=AdobePass(server.software_statement, base_url=server.url), transport=transport(ca_bundle=bundle)
        )
        for status in (301, 302, 303, 307, 308):
            server.inject(endpoint, Fault(status=status, headers=(("Location", to),)), times=3)
            with pytest.raises(ServerUnavailable, match=f"HTTP {status}"):
                source.token()
            time.advance(60)
        assert source.token().value
        assert not [call for call in server.calls if call.path.endswith("/elsewhere")]
    assert foreign.calls == ()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """The one authority that is trusted."""
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> Path:
    """The file of certificates to trust."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


@pytest.fixture
def tls(authority: trustme.CA) -> Callable[..., ssl.SSLContext]:
    """Make what a server needs to speak TLS."""

    def made(host: str, expires: dt.datetime | None = None, issuer: trustme.CA = authority) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issuer.issue_cert(host, not_after=expires).configure_cert(context)
        return context

    return made


@pytest.mark.fault(
    "the server's certificate has expired, is another host's, or of an unknown authority",
    "`ServerUnavailable` that says so; nothing is sent, and after three attempts there is no other until `retry_at`",
)
@pytest.mark.parametrize("flaw", ["expired", "hostname|Hostname|IP address|mismatch", "self.signed|local issuer"])
def test_a_certificate_that_is_not_good(
    transport: Any, flaw: str, make: Make, adobe: Simulator, tls: Callable[..., ssl.SSLContext], bundle: Path
) -> None:
    """A connection that cannot be trusted gets no secret and no storm of attempts."""
    past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
    context = {
        "expired": lambda: tls("127.0.0.1", past),
        "self.signed|local issuer": lambda: tls("127.0.0.1", issuer=trustme.CA()),
    }.get(flaw, lambda: tls("sp.auth.example"))()
    with OddServer(silent, context) as server:
        source = make(provider=at(server.url, adobe), transport=transport(ca_bundle=bundle), policy=UNHURRIED)
        with pytest.raises(ServerUnavailable, match=f"certificate verify failed.*({flaw})"):
            source.token()
        with pytest.raises(ServerUnavailable):
            source.token()
        assert server.connections == 3
        assert server.received == []


@pytest.mark.fault(
    "the token endpoint answers 429, with a Retry-After in seconds or as a date, an odd one, or none",
    "the next attempt waits for so long and up to a quarter more, or for a second and a bit where it makes no sense",
)
@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [("1", 1, 1), ("7", 7, 7), ("date", 12, 20), (None, 1, 2), ("-5", 1, 2), ("soon", 1, 2), ("", 1, 2)],
)
def test_a_throttled_token_call(
    transport: Any,
    retry_after: str | None,
    least: float,
    most: float,
    make: Make,
    adobe: Simulator,
    time: ManualClock,
) -> None:
    """A throttled call is made again, not before the server allows it."""
    if retry_after == "date":
        retry_after = formatdate(time.wall() + 20, usegmt=True)
    headers = () if retry_after is None else (("Retry-After", retry_after),)
    adobe.inject("token", Fault(status=429, body=b"<html>429</html>", headers=headers))
    assert make(transport=transport()).token().value
    (slept,) = time.slept
    assert least <= slept <= 1.25 * most
    assert adobe.counts.token == 2


@pytest.mark.fault(
    "a 429 asks for a wait of years",
    "`Throttled` at once; the next attempt is made after an hour, or a quarter later; a live token is used meanwhile",
)
def test_a_wait_of_years(make: Make, adobe: Simulator, time: ManualClock) -> None:
    """No server can lock a client out for longer than an hour and the jitter on top."""
    source = make()
    first = source.token()
    adobe.inject("token", Fault(status=429, headers=(("Retry-After", "315360000"),)))
    time.advance(6 * HOUR - 50)
    assert source.token() == first
    time.advance(60)
    with pytest.raises(Throttled) as caught:
        source.token()
    assert caught.value.retry_at == pytest.approx(time.wall() + 1.125 * HOUR, abs=0.125 * HOUR + 100)
    time.advance(1.25 * HOUR)
    assert source.token() != first
    assert (time.slept, adobe.counts.token) == ([], 3)


@pytest.mark.fault(
    "the token endpoint is down for an hour, the token good for two",
    "every request succeeds, none waits for long, and the attempts back off to one renewal a minute",
)
def test_an_outage_within_the_life_of_a_token(
    kind: Kind, make: Make, adobe: Simulator, time: ManualClock, store: MemoryStore
) -> None:
    """An outage that is shorter than a token's life is not noticed by any request."""
    adobe.behaviour = Behaviour(expires_in=7200)
    policy = Policy(due_within=7000, due_fraction=0.99)
    with kind.open(kind.auth(make(policy=policy))) as app:
        assert app.get(api_of(adobe)).status == 200
        before = credentials(store)
        adobe.inject("token", Fault(status=503), times=None)
        end = time.wall() + HOUR
        while time.wall() < end:
            assert app.get(api_of(adobe)).status == 200
            time.advance(100)
    assert adobe.counts.token <= 1 + 3 * 36
    assert adobe.counts.register == 1
    assert credentials(store) == before


@pytest.mark.fault(
    "the token expires while the token endpoint is down",
    "requests succeed until then; later ones fail at once with `retry_at`, and succeed again when it is back",
)
def test_an_outage_that_outlives_the_token(
    kind: Kind, make: Make, adobe: Simulator, time: ManualClock, store: MemoryStore
) -> None:
    """An outage ends by itself: nothing has to be started again, and nothing was lost."""
    with kind.open(kind.auth(make(policy=Policy(least_pause=8.0)))) as app:
        assert app.get(api_of(adobe)).status == 200
        before = credentials(store)
        adobe.inject("token", Fault(status=503), times=None)
        time.advance(6 * HOUR - 50)
        assert app.get(api_of(adobe)).status == 200
        time.advance(100)
        for _ in range(3):
            with pytest.raises(kind.host_error) as caught:
                app.get(api_of(adobe))
        error = caught.value
        assert isinstance(error, ServerUnavailable)
        assert error.status == 503
        assert error.retry_at is not None
        assert time.wall() < error.retry_at < time.wall() + 60
        attempts = adobe.counts.token
        adobe.clear_faults()
        time.advance(error.retry_at - time.wall() + 1)
        assert app.get(api_of(adobe)).status == 200
    assert attempts <= 1 + 3 * 2
    assert credentials(store) == before
    assert adobe.counts.register == 1


@pytest.mark.fault(
    "the token endpoint answers 500, 502 and 504 by turns, for an hour",
    "after three attempts there is none until `retry_at`, which moves away to a minute; then one renewal tries again",
)
def test_an_hour_of_failures(make: Make, adobe: Simulator, time: ManualClock) -> None:
    """The attempts of an hour are bounded, however often a token is asked for; the first that succeeds ends it."""
    source = make()
    for _ in range(200):
        for status in (500, 502, 504):
            adobe.inject("token", Fault(status=status))
    tried, end = set(), time.wall() + HOUR
    while time.wall() < end:
        with pytest.raises(ServerUnavailable) as caught:
            source.token()
        tried.add(caught.value.retry_at)
        time.advance(1)
    assert 3 * 60 <= adobe.counts.token == 3 * len(tried) <= 3 * (7 + 120)
    adobe.clear_faults()
    time.advance(60)
    assert source.token().value


@pytest.mark.fault("the token endpoint denies the client once", "the same credentials are used again, and succeed")
def test_one_refusal_of_the_client(
    transport: Any, make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """A single invalid_client is doubted, not believed."""
    source = make(transport=transport())
    source.token()
    before = credentials(store)
    time.advance(7 * HOUR)
    adobe.inject("token", NOT_KNOWN)
    assert source.token().value
    assert credentials(store) == before
    assert adobe.counts.register == 1


@pytest.mark.fault(
    "the server does not know the client any more",
    "once in a day another client is registered; the old pair is kept aside, never deleted",
)
def test_a_client_that_is_forgotten(
    kind: Kind, make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """A client that is really gone is replaced behind the back of a request; a second time it is an error."""
    with kind.open(kind.auth(make())) as app:
        assert app.get(api_of(adobe)).status == 200
        (old,) = credentials(store).values()
        adobe.revoke_clients()
        time.advance(7 * HOUR)
        assert app.get(api_of(adobe)).status == 200
        assert len(credentials(store)) == 2
        assert secret_in(old) in [secret_in(record) for record in credentials(store).values()]
        adobe.revoke_clients()
        time.advance(7 * HOUR)
        with pytest.raises(kind.host_error) as caught:
            app.get(api_of(adobe))
        assert isinstance(caught.value, CredentialsRejected)
    assert adobe.counts.registered == 2


@pytest.mark.fault(
    "a firewall answers 401 with a page in the place of the token endpoint",
    "it says nothing about the client: `ServerUnavailable`, the credentials stay",
)
@pytest.mark.parametrize("body", [b"<html>401</html>", b"", b"<error><code>invalid_client</code></error>", b"{}"])
def test_a_401_that_is_not_oauths(
    kind: Kind, body: bytes, make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """Only an OAuth error answer can condemn a client."""
    with kind.open(kind.auth(make())) as app:
        assert app.get(api_of(adobe)).status == 200
        before = credentials(store)
        time.advance(7 * HOUR)
        adobe.inject("token", Fault(status=401, body=body), times=None)
        with pytest.raises(kind.host_error) as caught:
            app.get(api_of(adobe))
        assert not isinstance(caught.value, CredentialsRejected)
    assert credentials(store) == before
    assert adobe.counts.register == 1


GATEWAYS = [
    b'{"error": "Forbidden"}',
    b'{"status": 401, "error": "Unauthorized"}',
    b'{"error": "access_denied"}',
    b'{"error": "Invalid_Client"}',
    b'{"error": "invalid_client "}',
    b'{"message": "Forbidden"}',
    b'{"error": {"code": "invalid_client"}}',
    b'{"errors": [{"code": "invalid_software_statement"}]}',
]


@pytest.mark.fault(
    "a gateway answers in the place of the server, with an error in JSON that is none of OAuth's",
    "it settles nothing: `ServerUnavailable`, tried again within seconds; no client and no statement is given up",
)
@pytest.mark.parametrize("endpoint", ["register", "token"])
@pytest.mark.parametrize("body", GATEWAYS)
def test_a_refusal_of_a_gateways(
    endpoint: str, body: bytes, make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """Only the codes that OAuth has registered, or that the provider declares, are the server's own no."""
    source = make()
    adobe.inject(endpoint, Fault(status=403, body=body), times=None)
    with pytest.raises(ServerUnavailable, match="HTTP 403"):
        source.token()
    assert (adobe.counts.register, adobe.counts.token) == ((3, 0) if endpoint == "register" else (1, 3))
    before = credentials(store)
    adobe.clear_faults()
    time.advance(5)
    assert source.token().value
    assert adobe.counts.registered == 1
    assert endpoint == "register" or credentials(store) == before


@pytest.mark.fault("a 429 asks for a wait with a fraction, or by X-RateLimit-Reset only", "it is waited for so long")
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ((("Retry-After", "2.5"),), 2.5),
        ((("X-RateLimit-Reset", "3"),), 3),
        ((("X-RateLimit-Reset", "3"), ("Retry-After", "2")), 2),
    ],
)
def test_other_ways_to_ask_for_a_wait(
    transport: Any,
    headers: tuple[tuple[str, str], ...],
    seconds: float,
    make: Make,
    adobe: Simulator,
    time: ManualClock,
) -> None:
    """What a server says about its limit is understood on every transport, in whichever words it says it."""
    adobe.inject("token", Fault(status=429, headers=headers))
    assert make(transport=transport()).token().value
    (slept,) = time.slept
    assert seconds <= slept <= 1.25 * seconds


@pytest.mark.fault(
    "the clock was ahead when a client was replaced, and was corrected since",
    "the moment says nothing: a client that the server forgets again is replaced, once in a day by the right clock",
)
def test_a_clock_that_was_ahead(make: Make, adobe: Simulator, time: ManualClock, store: MemoryStore) -> None:
    """No identity is locked out for as long as a clock was ahead."""
    year = 365 * 24 * HOUR
    make().token()
    adobe.revoke_clients()
    time.advance(year)
    assert make().token().value
    time.advance(-year)
    adobe.revoke_clients()
    assert make().token().value
    assert adobe.counts.registered == 3
    adobe.revoke_clients()
    time.advance(7 * HOUR)
    with pytest.raises(CredentialsRejected):
        make().token()
    assert adobe.counts.registered == 3


@pytest.mark.fault(
    "the software statement is refused, as damaged, revoked or not approved",
    "`RegistrationRejected`, one probe in five minutes; identities that have credentials go on",
)
@pytest.mark.parametrize("code", ["invalid_software_statement", "unapproved_software_statement"])
def test_a_refused_statement(
    kind: Kind, code: str, make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """A refused statement is told at once, asked about seldom, and does no harm to clients that exist."""
    with kind.open(kind.auth(make())) as app, kind.open(kind.auth(make(instance="new"))) as other:
        assert app.get(api_of(adobe)).status == 200
        adobe.inject("register", Fault(status=400, body=json.dumps({"error": code}).encode()), times=None)
        for _ in range(3):
            with pytest.raises(kind.host_error) as caught:
                other.get(api_of(adobe))
            assert isinstance(caught.value, RegistrationRejected)
            assert caught.value.error == code
        assert adobe.counts.register == 2
        time.advance(7 * HOUR)
        assert app.get(api_of(adobe)).status == 200
        adobe.clear_faults()
        assert other.get(api_of(adobe)).status == 200
    assert adobe.counts.registered == 2


@pytest.mark.fault(
    "the file of the software statement changes",
    "another download of the same application's statement changes nothing; another application is another identity",
)
def test_a_statement_that_changes(make_source: Make, adobe: Simulator, tmp_path: Path) -> None:
    """Credentials belong to the application, not to a copy of its statement; none are lost or mixed up."""
    file, store = tmp_path / "statement.txt", FileStore(tmp_path / "store")
    mine, other = "c46ab0ba-7b7a-4a5f-8d2f-5a5e1d9a6f10", "another-application"
    texts = [adobe.statement(sub) for sub in (mine, mine, other, mine)]
    assert len(set(texts)) == 4
    used = []
    for text in texts:
        file.write_text(text)
        source = make_source(provider=AdobePass(file, base_url=adobe.url), store=store)
        used.append(source.token().value)
    assert used[0] == used[1] == used[3] != used[2]
    assert adobe.counts.registered == 2


@pytest.mark.fault(
    "a registration's answer says that the secret expires, or names other grants or ways to authenticate",
    "the credentials are kept with all that was said, and used: the token endpoint has the last word",
)
@pytest.mark.parametrize(
    "more",
    [
        {"client_secret_expires_at": 0},
        {"client_secret_expires_at": 4_102_444_800},
        {"client_secret_expires_at": 1_000_000},
        {"client_secret_expires_at": "never"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"grant_types": ["authorization_code"]},
    ],
)
def test_doubtful_registrations(
    more: dict[str, Any], make: Make, adobe: Simulator, store: MemoryStore, time: ManualClock
) -> None:
    """Nothing that a registration adds makes its credentials disappear."""
    answer = {"client_id": "mine", "client_secret": "secret", **more}
    adobe.inject("register", Fault(status=201, body=json.dumps(answer).encode()))
    adobe.inject("token", Fault(status=201, body=b'{"access_token":"t","expires_in":3600}'), times=2)
    source = make()
    assert source.token().value == "t"
    (kept,) = credentials(store).values()
    assert secret_in(kept) == "secret"
    time.advance(2 * HOUR)
    assert source.token().value == "t"
    assert list(credentials(store).values()) == [kept]
    assert adobe.counts.register == 1
