"""What only niquests does: two kinds of session, lazy answers over one connection, hooks, redirects, pickles."""

from __future__ import annotations

import asyncio
import gc
import importlib
import io
import pickle
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Self

import httpx
import pytest
import trustme

from adapters_tests.common.clients import HAS_NIQUESTS_ALONE

if not HAS_NIQUESTS_ALONE:
    pytest.skip(
        "niquests takes the place of urllib3, so it is tested alone: tox run -e niquests", allow_module_level=True
    )

import niquests
from hypercorn.asyncio import serve
from hypercorn.config import Config
from niquests.adapters import BaseAdapter

import dcrauth
from adapters_tests.adapters.test_contract import tokens_seen
from dcrauth import AdobePass, ConfigurationError, DCRAuthError, TokenSource
from dcrauth.adobe import enhanced_error
from dcrauth.niquests import DCRAuth
from dcrauth.simulator import Behaviour, Fault, Simulator

USER = b'{"status":401,"code":"authentication_session_missing","action":"authentication"}'
STATUSES = (301, 302, 303, 307, 308)


@pytest.fixture
def auth(source: TokenSource) -> DCRAuth:
    """The auth object."""
    return DCRAuth(source)


@pytest.fixture
def session(auth: DCRAuth) -> Iterator[niquests.Session]:
    """A session with the auth object on it."""
    with niquests.Session() as opened:
        opened.auth = auth
        yield opened


@pytest.fixture
def api(adobe: Simulator, session: niquests.Session) -> str:
    """A protected API whose token is in hand and then revoked."""
    url = f"{adobe.url}/api/v2/REF30/configuration"
    assert session.get(url, timeout=20).status_code == 200
    adobe.revoke_tokens()
    return url


def asynchronously(auth: Any, use: Callable[[Any], Any], **settings: Any) -> Any:
    """Return what *use* returns, an async function of an asynchronous session."""

    async def main() -> Any:
        async with niquests.AsyncSession(**settings) as session:
            session.auth = auth
            return await use(session)

    return asyncio.run(main())


def test_elapsed_and_connection_are_known(session: niquests.Session, api: str) -> None:
    """The answer to the second attempt has its time, and says how it came, as any other."""
    response = session.get(api, timeout=20)
    assert response.elapsed > timedelta(0)
    assert "HTTP/1.1 [200]" in repr(response)


def test_the_history_has_the_refusal(auth: DCRAuth, session: niquests.Session, adobe: Simulator, api: str) -> None:
    """The 401 is in the history of both kinds of session, readable at once, with the token that was refused."""
    responses = [session.get(api, timeout=20)]
    adobe.revoke_tokens()
    responses.append(asynchronously(auth, lambda opened: opened.get(api, timeout=20)))
    for response in responses:
        (refusal,) = response.history
        assert (refusal.status_code, refusal.json()["status"]) == (401, 401)
        assert refusal.request.headers["Authorization"] != response.request.headers["Authorization"]
    assert len(set(tokens_seen(adobe))) == 3


def test_hooks_of_the_callers_see_the_final_response(session: niquests.Session, adobe: Simulator, api: str) -> None:
    """No hook of the caller's sees the 401 that was mended; those that run before the request see it signed."""
    seen: list[Any] = []
    session.get(api, timeout=20, hooks={"response": [lambda response, **_: response.raise_for_status()]})
    session.hooks["response"].append(lambda response, **_: seen.append(response.status_code))
    session.hooks["pre_request"].append(lambda request: seen.append(request.headers["Authorization"][:7]))
    adobe.revoke_tokens()
    session.get(api, timeout=20)
    assert seen == ["Bearer ", 200]


def test_the_next_request_of_a_redirect_has_the_new_token(
    session: niquests.Session, adobe: Simulator, api: str
) -> None:
    """Without following redirects, response.next carries the renewed token, not the refused one."""
    url = f"{adobe.url}/api/v2/REF30/redirect?status=302&to={api}"
    response = session.get(url, timeout=20, allow_redirects=False)
    assert response.next is not None
    assert session.send(response.next, timeout=20).status_code == 200
    assert adobe.counts.token == 2


def test_settings_of_the_call_hold_for_the_second_attempt(
    session: niquests.Session, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Timeout, TLS settings, proxies and streaming are the same for both attempts."""
    adapter = session.get_adapter(api)
    seen: list[dict[str, Any]] = []
    send = adapter.send
    monkeypatch.setattr(
        adapter, "send", lambda request, **settings: (seen.append(settings), send(request, **settings))[1]
    )
    session.get(api, timeout=17, verify=False, stream=True).close()
    first, second = seen
    assert first == second
    assert (first["timeout"], first["verify"], first["stream"]) == (17, False, True)


def test_a_stream_is_left_on_the_wire(auth: DCRAuth, session: niquests.Session, adobe: Simulator, api: str) -> None:
    """With stream=True the body of the final answer is still to be read after a renewal, in both kinds of session."""
    with session.get(api, timeout=20, stream=True) as response:
        assert response.status_code == 200
        assert response.raw is not None
        assert response.raw.read(10)

    async def use(opened: Any) -> bytes:
        answer = await opened.get(api, timeout=20, stream=True)
        begun = [part async for part in await answer.iter_content(10)]
        await answer.close()
        return b"".join(begun)

    adobe.revoke_tokens()
    assert asynchronously(auth, use)


def test_the_netrc_file_reaches_neither_our_calls_nor_the_first_hop(
    session: niquests.Session, adobe: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where niquests puts a password of the netrc file on a redirected request, it wins there, and renews nothing."""
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login canary password canary\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    api = f"{adobe.url}/api/v2/REF30/configuration"
    assert session.get(api, timeout=20).status_code == 200
    assert [call.headers.get("authorization") for call in adobe.calls if call.path.startswith("/o/")] == [None, None]
    response = session.get(f"{adobe.url}/api/v2/REF30/redirect?status=302&to={api}", timeout=20)
    assert response.status_code == 401
    assert str(tokens_seen(adobe)[-1]).startswith("Basic ")
    assert adobe.counts.token == 1


def test_a_prepared_request_is_signed_when_it_is_sent(auth: DCRAuth, adobe: Simulator) -> None:
    """A request that was prepared before there was a token is signed by send(), in both kinds of session."""
    api = f"{adobe.url}/api/v2/REF30/configuration"
    with niquests.Session() as session:
        prepared = session.prepare_request(niquests.Request("GET", api, auth=auth))
        assert "Authorization" not in prepared.headers
        assert adobe.calls == ()
        assert session.send(prepared, timeout=20).status_code == 200
    assert asynchronously(None, lambda opened: opened.send(prepared, timeout=20)).status_code == 200
    adobe.revoke_tokens()
    assert asynchronously(None, lambda opened: opened.send(prepared, timeout=20)).status_code == 200
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.refused) == (1, 2, 1)


def test_a_request_prepared_twice_is_sent_at_most_twice(
    session: niquests.Session, auth: DCRAuth, adobe: Simulator, api: str
) -> None:
    """Signing a prepared request again renews its header and does not hook it a second time."""
    request = session.prepare_request(niquests.Request("GET", api))
    request.prepare_auth(auth)
    adobe.reset_counts()
    adobe.behaviour = Behaviour(refuse_every_token=True)
    assert session.send(request, timeout=20).status_code == 401
    assert adobe.counts.api == 2
    assert [len(request.hooks[event]) for event in ("pre_request", "response")] == [2, 1]


def test_a_token_of_the_callers_is_left_alone(session: niquests.Session, adobe: Simulator, api: str) -> None:
    """A header that the caller puts on a prepared request afterwards is the caller's, and so is its 401."""
    request = session.prepare_request(niquests.Request("GET", api))
    request.headers["Authorization"] = "Bearer mine"
    adobe.reset_counts()
    assert session.send(request, timeout=20).status_code == 401
    assert (adobe.counts.api, adobe.counts.token) == (1, 0)


def test_an_adapter_without_a_connection_gets_its_401(session: niquests.Session, adobe: Simulator, api: str) -> None:
    """A transport adapter that is no HTTPAdapter cannot send again: the token is renewed and the 401 handed over."""

    class Canned(BaseAdapter):
        def send(self, request: Any, **settings: Any) -> niquests.Response:
            response = niquests.Response()
            response.status_code, response.request, response._content = 401, request, b""
            response.raw = io.BytesIO(b"")  # type: ignore[assignment]
            response.url = request.url
            return response

        def close(self) -> None:
            """Nothing to close."""

    usual = session.get_adapter(api)
    session.mount("http://", Canned())
    assert session.get(api, timeout=20).status_code == 401
    session.mount("http://", usual)
    assert session.get(api, timeout=20).status_code == 200
    assert adobe.counts.token == 2


@pytest.mark.parametrize("error", [RuntimeError, TypeError])
def test_a_file_that_cannot_be_rewound_is_not_sent_again(
    session: niquests.Session, adobe: Simulator, api: str, error: type[Exception]
) -> None:
    """A file that cannot seek after all is not sent again, whatever it raises; the 401 is handed over."""

    class Difficult(io.BytesIO):
        def seek(self, position: int, whence: int = 0) -> int:
            if whence == 0 and adobe.counts.refused:
                raise error("a seek of its own making")
            return super().seek(position, whence)

    response = session.post(f"{adobe.url}/api/v2/REF30/echo", data=Difficult(b"hello"), timeout=20)
    assert response.status_code == 401
    assert [call.body for call in adobe.calls if call.path.endswith("echo")] == [b"hello"]


def test_a_type_error_of_an_adapter_sends_nothing_a_third_time(
    session: niquests.Session, adobe: Simulator, api: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Niquests calls a hook that raises TypeError once more: so it gets an error of its own instead."""
    adapter = session.get_adapter(api)
    sent: list[Any] = []
    send = adapter.send

    def fail(request: Any, **settings: Any) -> Any:
        sent.append(request)
        if len(sent) > 1:
            raise TypeError("of an adapter")
        return send(request, **settings)

    monkeypatch.setattr(adapter, "send", fail)
    with pytest.raises(niquests.RequestException, match="of an adapter"):
        session.get(api, timeout=20)
    assert len(sent) == 2


def test_an_async_file_is_sent_again(auth: DCRAuth, adobe: Simulator, api: str) -> None:
    """A file whose methods are asynchronous is taken back to where it was."""

    class File(io.BytesIO):
        async def read(self, size: int | None = -1) -> bytes:  # type: ignore[override]
            return super().read(size)

        async def tell(self) -> int:  # type: ignore[override]
            return super().tell()

        async def seek(self, position: int, whence: int = 0) -> int:  # type: ignore[override]
            return super().seek(position, whence)

        async def __aiter__(self) -> Any:
            while part := await self.read(3):
                yield part

    url = f"{adobe.url}/api/v2/REF30/echo"
    response = asynchronously(auth, lambda opened: opened.post(url, data=File(b"hello"), timeout=20))
    bodies = [call.body for call in adobe.calls if call.path.endswith("echo")]
    assert (response.status_code, bodies) == (200, [b"hello", b"hello"])


def test_a_cookie_header_of_the_callers_survives(session: niquests.Session, adobe: Simulator, api: str) -> None:
    """A Cookie header written by hand, without a jar, is sent with both attempts."""
    assert session.get(api, headers={"Cookie": "mine=1"}, timeout=20).status_code == 200
    cookies = [call.headers.get("cookie") for call in adobe.calls if call.path.startswith("/api/")]
    assert cookies == [None, "mine=1", "mine=1"]


def test_responses_can_be_pickled(session: niquests.Session, api: str) -> None:
    """A response is pickled together with its request and its hooks, as caches and process pools do."""
    response = session.get(api, timeout=20)
    again = pickle.loads(pickle.dumps(response))  # noqa: S301  # our own bytes
    assert again.json() == response.json()
    for event in ("pre_request", "response"):
        with pytest.raises(ConfigurationError, match="pickle"):
            again.request.hooks[event][0](again.request)


def test_it_works_for_a_single_call(auth: DCRAuth, adobe: Simulator) -> None:
    """auth= of one call is enough, blocking or not."""
    api = f"{adobe.url}/api/v2/REF30/configuration"
    assert niquests.get(api, auth=auth, timeout=20).status_code == 200
    assert asyncio.run(niquests.aget(api, auth=auth, timeout=20)).status_code == 200


def test_a_blocking_session_on_an_event_loop(auth: DCRAuth, adobe: Simulator) -> None:
    """Whoever calls a blocking session in a coroutine waits for it, and gets an answer to a signed request."""

    async def main() -> int | None:
        with niquests.Session() as session:
            return session.get(f"{adobe.url}/api/v2/REF30/configuration", auth=auth, timeout=20).status_code

    assert asyncio.run(main()) == 200


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1.evil.example/", "http://evil.example/?http://127.0.0.1", "http://127.0.0.1:1/", "data:x"]
)
def test_lookalikes_are_foreign(session: niquests.Session, url: str) -> None:
    """A host that only resembles a protected one, or another port, gets no token."""
    request = session.prepare_request(niquests.Request("GET", url))
    assert "Authorization" not in request.headers
    assert request.hooks["response"] == request.hooks["pre_request"] == []


def test_the_wrong_library_is_an_error(auth: DCRAuth, adobe: Simulator) -> None:
    """Attached to a client of another library it raises instead of letting requests go without a token."""
    with httpx.Client(auth=auth) as client, pytest.raises(ConfigurationError, match="niquests"):
        client.get(f"{adobe.url}/api/v2/REF30/configuration")
    assert adobe.calls == ()


def test_a_session_that_strips_nothing_does_not_get_a_new_token_abroad(
    auth: DCRAuth, adobe: Simulator, foreign: Simulator
) -> None:
    """Where the caller's session keeps headers on foreign redirects, a 401 from there renews and sends nothing."""

    class Careless(niquests.Session):
        def should_strip_auth(self, old_url: str, new_url: str) -> bool:
            return False

    with Careless() as session:
        session.auth = auth
        url = f"{adobe.url}/api/v2/REF30/redirect?status=302&to={foreign.url}/api/v2/REF30/echo"
        assert session.get(url, timeout=20).status_code == 401
    assert (len(foreign.calls), adobe.counts.token) == (1, 1)


def test_headers_in_bytes_are_the_callers(session: niquests.Session, adobe: Simulator, api: str) -> None:
    """Niquests takes header fields in bytes; one that says nothing counts as none."""
    adobe.reset_counts()
    headers: Any = {"Authorization": b"Bearer mine"}
    assert session.get(api, headers=headers, timeout=20).status_code == 401
    assert adobe.counts.token == 0
    assert session.get(api, headers={"Authorization": b"Bearer"}, timeout=20).status_code == 200  # type: ignore[dict-item]


class Multiplexed:
    """A protected API that speaks HTTP/2, and refuses the first token that it sees.

    Parameters:
        authority: whom its certificate is from.
        refusal: what it says then.
    """

    def __init__(self, authority: trustme.CA, folder: Path, refusal: bytes = b"no") -> None:
        self.seen: list[tuple[str, str | None]] = []
        self.versions: set[str] = set()
        self.refused: str | None = None
        self._refusal = refusal
        self._config = Config()
        certificate = authority.issue_cert("127.0.0.1")
        self._config.certfile, self._config.keyfile = str(folder / "server.pem"), str(folder / "server.key")
        certificate.private_key_and_cert_chain_pem.write_to_path(self._config.certfile)
        certificate.private_key_pem.write_to_path(self._config.keyfile)
        self._config.bind = ["127.0.0.1:0"]
        self._config.graceful_timeout = 0.1
        self._sockets = self._config.create_sockets()
        self.url = f"https://127.0.0.1:{self._sockets.secure_sockets[0].getsockname()[1]}"
        self._config.create_sockets = lambda: self._sockets  # type: ignore[method-assign]
        self._over: asyncio.Event
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join(20)

    def _serve(self) -> None:
        async def main() -> None:
            self._over = asyncio.Event()
            await serve(self._answer, self._config, shutdown_trigger=self._over.wait)  # type: ignore[arg-type]

        self._loop.run_until_complete(main())
        self._loop.close()

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        self.versions.add(scope["http_version"])
        fields = {name.decode(): value.decode() for name, value in scope["headers"]}
        token = fields.get("authorization")
        self.seen.append((scope["path"], token))
        self.refused = self.refused or token
        status, headers, body = (401, [], self._refusal) if token in {None, self.refused} else (200, [], b"yes")
        if status == 200 and scope["path"].startswith("/to/"):
            status, headers = 302, [(b"location", scope["path"].removeprefix("/to/").encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


@pytest.fixture
def authority() -> trustme.CA:
    """A certificate authority."""
    return trustme.CA()


@pytest.fixture
def bundle(authority: trustme.CA, tmp_path: Path) -> str:
    """The file of its certificate."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


Source = Callable[[Multiplexed], TokenSource]


@pytest.fixture
def source_for(make_source: Callable[..., TokenSource], adobe: Simulator) -> Source:
    """Make a token source that protects a given API."""
    return lambda api: make_source(provider=AdobePass(adobe.software_statement, base_url=adobe.url, protects=[api.url]))


def assert_mended(api: Multiplexed, adobe: Simulator, answers: list[Any], count: int) -> None:
    """Assert that *count* requests were answered, each sent twice at most, over HTTP/2, for one renewal."""
    assert [answer.status_code for answer in answers] == [200] * count
    assert [answer.content for answer in answers] == [b"yes"] * count
    assert {len(answer.history) for answer in answers} == {1}
    assert {answer.history[0].content for answer in answers} == {b"no"}
    assert set(Counter(path for path, _ in api.seen).values()) == {2}
    assert api.versions == {"2"}
    assert adobe.counts.token == 2


def test_lazy_answers(source_for: Source, adobe: Simulator, authority: trustme.CA, bundle: str, tmp_path: Path) -> None:
    """Answers that niquests fills in later are mended in place: whoever holds one finds the second answer in it."""
    with Multiplexed(authority, tmp_path) as api, niquests.Session(multiplexed=True) as session:
        session.auth = DCRAuth(source_for(api))
        answers = [session.get(f"{api.url}/{number}", verify=bundle, timeout=20) for number in range(5)]
        assert {answer.lazy for answer in answers} == {True}
        session.gather()
        assert_mended(api, adobe, answers, 5)


def test_lazy_answers_of_an_asynchronous_session(
    source_for: Source, adobe: Simulator, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    """The same holds on an event loop."""

    async def use(session: Any) -> list[Any]:
        answers = [await session.get(f"{api.url}/{number}", verify=bundle, timeout=20) for number in range(5)]
        await session.gather()
        return answers

    with Multiplexed(authority, tmp_path) as api:
        answers = asynchronously(DCRAuth(source_for(api)), use, multiplexed=True)
        assert_mended(api, adobe, answers, 5)


def test_a_lazy_answer_that_is_streamed(
    source_for: Source, adobe: Simulator, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    """An asynchronous lazy answer whose body the caller reads is the second one."""

    async def use(session: Any) -> bytes:
        answer = await session.get(f"{api.url}/1", verify=bundle, stream=True, timeout=20)
        return b"".join([part async for part in await answer.iter_content(1)])

    with Multiplexed(authority, tmp_path) as api:
        assert asynchronously(DCRAuth(source_for(api)), use, multiplexed=True) == b"yes"
    assert adobe.counts.token == 2


def test_a_lazy_answer_that_is_the_users(
    source_for: Source, adobe: Simulator, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    """A lazy 401 that says that the end user has to log in is handed over, and all of it can be read."""
    with Multiplexed(authority, tmp_path, USER) as api, niquests.Session(multiplexed=True) as session:
        session.auth = DCRAuth(source_for(api))
        answer = session.get(f"{api.url}/", verify=bundle, timeout=20)
        assert (answer.status_code, answer.content) == (401, USER)
    assert adobe.counts.token == 1


# niquests leaves the connection to a redirect's target open, with or without an auth object.
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
def test_a_lazy_redirect_takes_no_token_abroad(
    source_for: Source, adobe: Simulator, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    """A lazy answer that is a redirect keeps the token within the origin, and has none for another one."""
    abroad = tmp_path / "abroad"
    abroad.mkdir()
    with Multiplexed(authority, tmp_path) as api, Multiplexed(authority, abroad) as foreign:
        with niquests.Session(multiplexed=True) as session:
            session.auth = DCRAuth(source_for(api))
            ways = ("/", "/to//home", f"/to/{foreign.url}/away")
            found = [session.get(api.url + way, verify=bundle, timeout=20).status_code for way in ways]
        del session
        gc.collect()  # else the servers would wait for it
    assert found == [200, 200, 401]
    assert {token for _, token in foreign.seen} == {None}
    assert adobe.counts.token == 2


def test_a_failed_renewal_of_a_lazy_answer(
    source_for: Source, adobe: Simulator, authority: trustme.CA, bundle: str, tmp_path: Path
) -> None:
    """Where the renewal fails, reading the lazy answer raises, and the next request works."""
    with Multiplexed(authority, tmp_path) as api, niquests.Session(multiplexed=True) as session:
        session.auth = DCRAuth(source_for(api))
        answer = session.get(f"{api.url}/", verify=bundle, timeout=20)
        adobe.inject("token", Fault(status=503), times=None)
        with pytest.raises(DCRAuthError):
            session.gather(answer)
        adobe.clear_faults()


# Examples leave sessions open, as programs do.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_the_page_about_it_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reader copies from docs/niquests.md works; it is run here, where niquests is."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    page = (Path(__file__).parents[2] / "docs" / "niquests.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```py\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 3
    names: dict[str, Any] = {}
    for block in blocks:
        exec(block, names)  # noqa: S102  # our own
    names.clear()
    gc.collect()


def test_it_exports_one_name() -> None:
    """The module exports DCRAuth, and only that."""
    assert importlib.import_module("dcrauth.niquests").__all__ == ["DCRAuth"]


def test_a_response_says_what_adobe_says(session: niquests.Session, adobe: Simulator, api: str) -> None:
    """The enhanced error in an answer is read from one of niquests as from any other."""
    adobe.inject("api", Fault(status=403, body=b'{"status":403,"code":"not_authorized","action":"none"}'))
    found = enhanced_error(session.get(api, timeout=20))
    assert found is not None
    assert found.code == "not_authorized"


@pytest.mark.parametrize("is_blocking", [True, False])
def test_no_frame_of_ours_holds_a_token(
    auth: DCRAuth, adobe: Simulator, api: str, is_blocking: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the second attempt fails, a program that logs the variables of each frame of ours sees no token."""

    def fail(self: Any, request: Any, **settings: Any) -> Any:
        assert request.headers["Authorization"] != str(tokens_seen(adobe)[0])
        raise niquests.ConnectionError("down")

    kind = niquests.adapters.HTTPAdapter if is_blocking else niquests.adapters.AsyncHTTPAdapter
    send = kind.send

    def once(self: Any, request: Any, **settings: Any) -> Any:
        return (fail if adobe.counts.refused else send)(self, request, **settings)

    monkeypatch.setattr(kind, "send", once)
    ask: Callable[[], Any] = partial(niquests.get, api, auth=auth, timeout=20)
    if not is_blocking:
        ask = partial(asynchronously, auth, lambda opened: opened.get(api, timeout=20))
    with pytest.raises(niquests.ConnectionError, match="down") as caught:
        ask()
    assert auth._source is not None
    secrets = [str(tokens_seen(adobe)[0]).removeprefix("Bearer "), auth._source.token().value]
    ours = Path(dcrauth.__file__).parent
    frames = [entry.frame.f_locals for entry in caught.traceback if ours in Path(entry.path).parents]
    assert len(set(secrets)) == adobe.counts.token == 2
    assert frames
    held = [name for each in frames for name, value in each.items() if any(secret in repr(value) for secret in secrets)]
    assert held == []
