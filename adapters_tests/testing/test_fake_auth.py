"""`FakeAuth`: what an application does with a ``DCRAuth`` it does with this one, in each HTTP library."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest

import dcrauth.testing
from adapters_tests.common.clients import HAS_NIQUESTS_ALONE, App, Kind
from adapters_tests.common.in_thread import InThread
from adapters_tests.common.programs import run
from adapters_tests.common.world import STATEMENT
from dcrauth import AdobePass, ConfigurationError, DeviceInfo, MemoryStore, ServerUnavailable
from dcrauth.testing import FakeAuth, FakeCall, ManualClock

ALONE = "niquests is tested alone"


class Echo(BaseHTTPRequestHandler):
    """Says which ``Authorization`` and device a request had."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Answer."""
        said = f"{self.headers.get('Authorization')} {'X-Device-Info' in self.headers}".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    def do_POST(self) -> None:
        """Answer."""
        if "Content-Length" in self.headers:
            self.rfile.read(int(self.headers["Content-Length"]))
        else:
            while size := int(self.rfile.readline(), 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        self.do_GET()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def echo() -> Iterator[str]:
    """An API that takes every token."""
    with InThread(ThreadingHTTPServer(("127.0.0.1", 0), Echo)) as served:
        yield f"{served.url}/api"


@pytest.fixture
def auth() -> FakeAuth:
    """One as in an application's tests."""
    return FakeAuth()


@pytest.fixture
def fake_app(kind: Kind, auth: FakeAuth) -> Iterator[App]:
    """A session of each client with that on it."""
    with kind.open(auth) as opened:
        yield opened


def test_the_token_goes_along(fake_app: App, auth: FakeAuth, echo: str) -> None:
    """One object works in every client, says what was sent, and has another token once that has run out."""
    assert fake_app.get(echo).content == b"Bearer test False"
    auth.expire()
    assert fake_app.get(echo).content == b"Bearer test-2 False"
    assert auth.calls == (FakeCall("GET", echo, "test"), FakeCall("GET", echo, "test-2"))


def test_a_refused_token_is_replaced(fake_app: App, auth: FakeAuth, echo: str) -> None:
    """A refusal reaches the application mended, as with DCRAuth; many at once bring one new token."""
    fake_app.get(echo)
    auth.refuse()
    assert {answer.content for answer in fake_app.send_many(4, "GET", echo)} == {b"Bearer test-2 False"}
    assert [call.token for call in auth.calls].count("test-2") == 4
    assert {call.token for call in auth.calls} == {"test", "test-2"}


def test_what_cannot_be_sent_again_stays_refused(fake_app: App, kind: Kind, auth: FakeAuth, echo: str) -> None:
    """A body that is used up by the first attempt leaves the application with the 401."""

    def parts() -> Iterator[bytes]:
        yield b"once"

    async def awaited() -> Any:
        yield b"once"

    body = awaited() if kind.is_async else parts()
    auth.refuse()
    answer = fake_app.send("POST", echo, **{"content" if "httpx" in kind.library else "data": body})
    assert (answer.status, [call.token for call in auth.calls]) == (401, ["test"])


def test_a_failure_is_what_dcrauth_would_raise(fake_app: App, kind: Kind, auth: FakeAuth, echo: str) -> None:
    """An error of dcrauth comes as one of the library as well, before anything is sent, until it is taken back."""
    auth.fail(ServerUnavailable("down", retry_at=1.0))
    for _ in range(2):
        with pytest.raises(ServerUnavailable, match="down") as caught:
            fake_app.get(echo)
        assert isinstance(caught.value, kind.connection_error)
        assert caught.value.retry_at == 1.0
    auth.fail(KeyError("of another kind"))
    with pytest.raises(KeyError):
        fake_app.get(echo)
    auth.fail(None)
    assert fake_app.get(echo).status == 200
    assert len(auth.calls) == 1


def test_what_is_the_callers_stays(fake_app: App, auth: FakeAuth, echo: str) -> None:
    """A request with an ``Authorization`` of the caller's is left alone, and is none of ours, refused or not."""
    auth.refuse()
    assert fake_app.get(echo, headers={"Authorization": "Basic x"}).content == b"Basic x False"
    assert auth.calls == ()


def test_a_provider_says_where_the_token_goes(kind: Kind, echo: str) -> None:
    """With a provider its APIs get token and device headers, and no other server does."""
    provider = AdobePass(STATEMENT, base_url=echo.removesuffix("/api"), device_info=DeviceInfo.detect())
    with kind.open(FakeAuth("mine", provider=provider)) as app:
        assert app.get(echo).content == b"Bearer mine True"
        assert app.get(echo.replace("127.0.0.1", "localhost")).content == b"None False"


def test_it_is_told_from_the_real_one_by_nothing_that_libraries_look_at(auth: FakeAuth) -> None:
    """HTTP libraries and generated clients that ask for an auth object's class, or copy it, are content."""
    import copy

    requests = pytest.importorskip("requests", reason=ALONE)
    assert isinstance(auth, httpx.Auth)
    assert isinstance(auth, requests.auth.AuthBase)
    assert copy.deepcopy(auth) is auth
    assert repr(auth) == "<FakeAuth: 0 calls>"


def test_a_mock_may_refuse_as_well(auth: FakeAuth) -> None:
    """A 401 that a mock answers is mended like one that the fake makes, even where the mock is requests-mock."""
    requests, requests_mock = (pytest.importorskip(name, reason=ALONE) for name in ("requests", "requests_mock"))
    with requests_mock.Mocker() as mock, requests.Session() as session:
        session.auth = auth
        mock.get("https://api.example/", [{"status_code": 401}, {"status_code": 200}])
        assert session.get("https://api.example/").status_code == 200
    assert [call.token for call in auth.calls] == ["test", "test-2"]


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: FakeAuth(""), "printable ASCII without blanks"),
        (lambda: FakeAuth("a b"), "printable ASCII without blanks"),
        (lambda: FakeAuth(7), "token must be text, not int"),  # type: ignore[arg-type]
        (lambda: FakeAuth(AdobePass(STATEMENT)), r"FakeAuth\(provider=…\)"),  # type: ignore[arg-type]
        (lambda: FakeAuth(provider=MemoryStore()), "The provider must be"),  # type: ignore[arg-type]
        (lambda: FakeAuth().fail("down"), "error must be an exception such as ServerUnavailable"),  # type: ignore[arg-type]
        (lambda: FakeAuth().fail(ServerUnavailable), "the class ServerUnavailable itself"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_argument_is_named(make: Any, words: str) -> None:
    """What is wrong is said where it was given."""
    with pytest.raises(ConfigurationError, match=words):
        make()


@pytest.mark.slow
@pytest.mark.skipif(HAS_NIQUESTS_ALONE, reason=ALONE)
def test_no_socket_is_opened() -> None:
    """Beneath a client that is mocked no name is looked up, nothing is connected and no thread begins."""
    found = run("""
import sys, threading
import httpx, requests
from requests.adapters import BaseAdapter
from dcrauth.testing import FakeAuth

seen = []
sys.addaudithook(lambda event, _: event.startswith("socket.") and seen.append(event))

class Canned(BaseAdapter):
    def send(self, request, **_):
        response = requests.Response()
        response.status_code, response.request, response.url, response._content = 200, request, request.url, b""
        response.connection = self
        return response
    def close(self): ...

auth = FakeAuth()
session = requests.Session()
session.auth = auth
session.mount("https://", Canned())
client = httpx.Client(auth=auth, transport=httpx.MockTransport(lambda request: httpx.Response(200)))
for get in (session.get, client.get):
    get("https://api.example/")
    auth.refuse()
    get("https://api.example/")
print(len(auth.calls), seen, threading.active_count())
""")
    assert found.stdout.split("\n")[0] == "6 [] 1", found.stderr


@pytest.mark.slow
@pytest.mark.skipif(HAS_NIQUESTS_ALONE, reason=ALONE)
@pytest.mark.parametrize("left_out", ["httpx", "httpx2", "requests"])
def test_it_needs_no_library_but_the_one_in_use(left_out: str) -> None:
    """Where a library is not installed it works in the others."""
    used = "requests" if left_out != "requests" else "httpx"
    found = run(f"import {used}\nfrom dcrauth.testing import FakeAuth\nprint(FakeAuth().calls)", left_out)
    assert found.stdout.strip() == "()", found.stderr


def test_all_that_is_for_users_is_named() -> None:
    """What `dcrauth.testing` imports late is in its ``__all__``, and is there."""
    assert [getattr(dcrauth.testing, name) for name in dcrauth.testing.__all__] == [FakeAuth, FakeCall, ManualClock]
