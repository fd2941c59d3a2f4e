"""The promises of every adapter, each written once and run over all clients, blocking and asynchronous."""

from __future__ import annotations

import hashlib
import io
import logging
import ssl
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tenacity
import trustme

from adapters_tests.adapters.bodies import BODIES, CASES, Body
from adapters_tests.common.clients import KINDS, App, Kind
from adapters_tests.common.clock import ManualClock
from adapters_tests.common.providers import provider_at
from dcrauth import (
    AdobePass,
    DCRAuthError,
    FileStore,
    OAuthServer,
    Policy,
    RegistrationRejected,
    Rejected,
    ServerUnavailable,
    StoreError,
    TokenSource,
)
from dcrauth.simulator import Behaviour, Call, Fault, Simulator
from dcrauth.simulator.http import Visit

HOUR = 3600.0
PATIENCE = 20.0


Place = Callable[[Simulator], AdobePass | OAuthServer]


@pytest.fixture(params=["AdobePass", pytest.param("OAuthServer", marks=pytest.mark.slow)])
def provider_for(request: pytest.FixtureRequest) -> Place:
    """What makes each of the providers, for a server."""
    return lambda simulator: provider_at(request.param, simulator.url, simulator.software_statement)


@pytest.fixture
def provider(provider_for: Place, adobe: Simulator) -> AdobePass | OAuthServer:
    """Each of the providers, at the same server."""
    return provider_for(adobe)


of_adobe_alone = pytest.mark.parametrize("provider_for", ["AdobePass"], indirect=True)
"""What is the same for all providers, or only Adobe's."""


def tokens_seen(simulator: Simulator) -> list[str | None]:
    """The Authorization headers of all calls but the two of DCR, in order."""
    return [call.headers.get("authorization") for call in simulator.calls if not call.path.startswith("/o/")]


def test_registers_lazily(kind: Kind, source: TokenSource, adobe: Simulator, api: str) -> None:
    """Nothing is called before the first request; it then registers once and gets one token."""
    with kind.open(kind.auth(source)) as app:
        assert adobe.counts.register == adobe.counts.token == 0
        assert app.get(api).status == 200
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 1, 1)


def test_reuses_the_token(app: App, adobe: Simulator, api: str) -> None:
    """As long as a token is fresh, a request costs no further call."""
    for _ in range(5):
        assert app.get(api).status == 200
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 1, 5)
    assert len(set(tokens_seen(adobe))) == 1


def test_renews_in_the_background_when_due(
    app: App, adobe: Simulator, api: str, time: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A due token is still used, and is renewed meanwhile, without a refusal and without a new registration."""
    monkeypatch.setattr("random.random", lambda: 0.0)  # the earliest moment at which it can be due
    assert app.get(api).status == 200
    time.advance(6 * HOUR - 600)
    assert app.get(api).status == 200
    assert adobe.wait_for(lambda counts: counts.token == 2)
    first, second = tokens_seen(adobe)
    assert first == second
    assert adobe.counts.register == 1


def test_waits_for_a_new_token_when_dead(app: App, adobe: Simulator, api: str, time: ManualClock) -> None:
    """A dead token is never sent: the request waits for a new one."""
    assert app.get(api).status == 200
    time.advance(7 * HOUR)
    assert app.get(api).status == 200
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.refused) == (1, 2, 0)


@pytest.mark.parametrize("refusals", ["v2", "legacy", "bare", "oauth"])
def test_renews_on_401_and_sends_again(app: App, adobe: Simulator, api: str, refusals: str) -> None:
    """A refused token is renewed and the request sent once more, whatever form the refusal takes."""
    assert app.get(api).status == 200
    adobe.behaviour = Behaviour(refusals=refusals)
    adobe.revoke_tokens()
    assert app.get(api).status == 200
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api, adobe.counts.refused) == (1, 2, 3, 1)


def test_sends_at_most_twice(app: App, adobe: Simulator, api: str) -> None:
    """A server that refuses every token gets each request twice and no more, and the caller gets the 401."""
    adobe.behaviour = Behaviour(refuse_every_token=True)
    answer = app.get(api)
    assert answer.status == 401
    assert adobe.counts.api == 2
    assert len(set(tokens_seen(adobe))) == 2


@pytest.mark.fault(
    "the API refuses a token that was renewed because it had refused another one a moment ago",
    "the caller gets the 401; no request turns into a token call",
)
def test_renews_for_a_refusal_only_once(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str
) -> None:
    """A server that refuses every new token does not turn each request into a token call."""
    adobe.behaviour = Behaviour(refuse_every_token=True)
    with kind.open(kind.auth(make_source(policy=Policy()))) as app:
        for _ in range(5):
            answer = app.get(api)
            assert answer.status == 401
            assert answer.content
    assert (adobe.counts.token, adobe.counts.api) == (2, 6)


@pytest.mark.fault(
    "a token is revoked a moment after it was granted", "another one takes its place at once; the request succeeds"
)
def test_renews_a_new_token_that_is_refused(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str
) -> None:
    """A token is renewed whatever its age: it may have been revoked in the second after its grant."""
    with kind.open(kind.auth(make_source(policy=Policy()))) as app:
        assert app.get(api).status == 200
        adobe.revoke_tokens()
        assert app.get(api).status == 200
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 2, 3)


@pytest.mark.fault("a 401 says that the end user has to log in", "the caller gets it as it is; no token call")
@of_adobe_alone
def test_passes_on_what_concerns_the_user(app: App, adobe: Simulator, api: str) -> None:
    """A 401 whose action is the user's authentication is handed over as it is, without a token call."""
    assert app.get(api).status == 200
    refusal = b'{"status":401,"code":"authentication_session_missing","action":"authentication"}'
    adobe.inject("api", Fault(status=401, body=refusal))
    answer = app.get(api)
    assert (answer.status, answer.content) == (401, refusal)
    assert adobe.counts.token == 1


@pytest.mark.fault(
    "the API answers 400, 403, 404, 405, 429 or 5xx",
    "the caller gets it untouched; one send, no token call",
)
@pytest.mark.parametrize("status", [400, 403, 404, 405, 429, 500, 503])
def test_passes_on_other_answers(app: App, adobe: Simulator, api: str, status: int) -> None:
    """Any answer but a 401 is the caller's, untouched: one send, no token call."""
    assert app.get(api).status == 200
    adobe.inject("api", Fault(status=status, body=b"as it was"))
    answer = app.get(api)
    assert (answer.status, answer.content) == (status, b"as it was")
    assert (adobe.counts.token, adobe.counts.api) == (1, 2)


def test_foreign_origins_get_nothing(app: App, adobe: Simulator, foreign: Simulator) -> None:
    """A URL outside the protected origins is passed through: no token, no registration, no error."""
    assert app.get(f"{foreign.url}/api/v2/REF30/configuration").status == 401
    assert tokens_seen(foreign) == [None]
    assert (adobe.counts.register, adobe.counts.token) == (0, 0)


def test_a_request_without_a_token_is_told_in_the_log(
    app: App, adobe: Simulator, foreign: Simulator, caplog: pytest.LogCaptureFixture
) -> None:
    """Who wonders about a 401 finds which URLs get a token, said once for each auth object."""
    with caplog.at_level(logging.DEBUG, "dcrauth"):
        for _ in range(2):
            app.get(f"{foreign.url}/api/v2/REF30/configuration")
    told = [each.getMessage() for each in caplog.records if "goes without a token" in each.getMessage()]
    assert len(told) == 1
    assert adobe.url in told[0]
    assert foreign.url not in told[0]


@pytest.mark.fault(
    "a redirect of a request leads to another origin, with any of the five statuses",
    "its target sees no token, neither at once nor after its own 401",
)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_foreign_redirects_get_nothing(app: App, adobe: Simulator, foreign: Simulator, status: int) -> None:
    """The target of a redirect to another origin sees no token, neither at once nor after its own 401."""
    url = f"{adobe.url}/api/v2/REF30/redirect?status={status}&to={foreign.url}/api/v2/REF30/echo"
    answer = app.send("POST", url, data={"a": "b"})
    assert answer.status == 401
    assert set(tokens_seen(foreign)) == {None}
    assert len(foreign.calls) == 1
    assert adobe.counts.token == 1
    assert adobe.counts.api == 1


def test_redirects_within_the_origin_keep_the_token(app: App, adobe: Simulator, api: str) -> None:
    """Each hop within the protected origin carries the token; after a renewal, the new one."""
    assert app.get(api).status == 200
    adobe.revoke_tokens()
    answer = app.get(f"{adobe.url}/api/v2/REF30/redirect?status=302&to={api}")
    assert answer.status == 200
    old, refused, again, last = tokens_seen(adobe)
    assert old == refused
    assert again == last != old
    assert adobe.counts.token == 2


@pytest.mark.fault("the caller has set `Authorization` itself", "it is sent as it is, and its 401 is the caller's")
def test_a_header_of_the_callers_wins(app: App, adobe: Simulator, api: str) -> None:
    """An Authorization header that the caller has set is sent as it is, and its 401 is the caller's."""
    answer = app.get(api, headers={"Authorization": "Bearer mine"})
    assert answer.status == 401
    assert tokens_seen(adobe) == ["Bearer mine"]
    assert adobe.counts.token == 0


@pytest.mark.fault(
    "the token of an upload is refused",
    "its body is sent again byte for byte, or, as a stream, not at all: then the caller gets the 401",
)
@pytest.mark.parametrize(("kind", "body"), CASES, ids=lambda case: case.name)
@of_adobe_alone
def test_bodies_are_replayed_exactly_or_not_at_all(
    kind: Kind, body: Body, source: TokenSource, adobe: Simulator, api: str
) -> None:
    """After a 401 a body is sent again byte for byte, or the 401 is handed over and the next request succeeds."""
    echo = f"{adobe.url}/api/v2/REF30/echo"
    with kind.open(kind.auth(source)) as app:
        assert app.get(api).status == 200
        adobe.revoke_tokens()
        with closing_files(body.make(kind)) as options:
            answer = app.send("POST", echo, **options)
        bodies = [call.body for call in adobe.calls if call.path.endswith("/echo")]
        assert adobe.counts.token == 2
        assert app.get(api).status == 200
    if body.expected is not None:
        assert set(bodies) == {body.expected}
    assert len(set(bodies)) == 1
    assert (answer.status, len(bodies)) == ((200, 2) if body.replayable else (401, 1))
    if body.replayable:
        assert answer.json["sha256"] == hashlib.sha256(bodies[0]).hexdigest()


@contextmanager
def closing_files(options: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Close what a body was made of, as its caller does."""
    try:
        yield options
    finally:
        for value in options.values():
            if isinstance(value, io.IOBase):
                value.close()


def test_many_at_once_make_one_renewal(kind: Kind, source: TokenSource, adobe: Simulator, api: str) -> None:
    """Twenty threads or five hundred tasks that start cold make one registration and one token call."""
    count = 500 if kind.is_async else 20
    adobe.behaviour = Behaviour(register_delay=0.1, token_delay=0.1)
    with kind.open(kind.auth(source), pool=20) as app:
        answers = app.send_many(count, "GET", api)
    assert {answer.status for answer in answers} == {200}
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.api) == (1, 1, count)


def test_many_refused_at_once_make_one_renewal(kind: Kind, source: TokenSource, adobe: Simulator, api: str) -> None:
    """However many requests are refused at once, there is one token call and each is sent twice at most."""
    with kind.open(kind.auth(source), pool=20) as app:
        assert app.get(api).status == 200
        adobe.behaviour = Behaviour(token_delay=0.2)
        adobe.revoke_tokens()
        answers = app.send_many(20, "GET", api)
    assert {answer.status for answer in answers} == {200}
    assert adobe.counts.token == 2
    assert adobe.counts.api <= 41


def test_a_pool_of_one_does_not_deadlock(kind: Kind, source: TokenSource, adobe: Simulator, api: str) -> None:
    """With a single connection, a renewal in the middle of a request needs no second one."""
    with kind.open(kind.auth(source), pool=1) as app:
        assert app.get(api).status == 200
        adobe.revoke_tokens()
        assert app.get(api).status == 200
        adobe.revoke_tokens()
        assert {answer.status for answer in app.send_many(3, "GET", api)} == {200}


def test_a_large_refusal_does_not_hold_the_connection(
    kind: Kind, source: TokenSource, adobe: Simulator, api: str
) -> None:
    """A 401 of three megabytes neither blocks the only connection nor keeps the request from being sent again."""
    with kind.open(kind.auth(source), pool=1) as app:
        assert app.get(api).status == 200
        adobe.inject("api", Fault(status=401, body=b"x" * 3_000_000))
        assert app.get(api).status == 200
    assert adobe.counts.token == 2


def test_a_large_refusal_of_a_stream_is_handed_over_whole(
    kind: Kind, source: TokenSource, adobe: Simulator, api: str
) -> None:
    """A 401 that is handed over because its request cannot be sent again is complete, however large."""
    stream = next(body for body in BODIES if body.name == ("async generator" if kind.is_async else "generator"))
    with kind.open(kind.auth(source)) as app:
        assert app.get(api).status == 200
        adobe.inject("api", Fault(status=401, body=b"x" * 3_000_000))
        answer = app.send("POST", f"{adobe.url}/api/v2/REF30/echo", **stream.make(kind))
    assert (answer.status, len(answer.content)) == (401, 3_000_000)
    assert adobe.counts.token == 2


def test_a_large_refusal_of_what_a_refusal_has_brought_is_handed_over_whole(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str
) -> None:
    """A 401 that is handed over because another token would be refused as well is complete, however large."""
    with kind.open(kind.auth(make_source(policy=Policy()))) as app:
        adobe.inject("api", Fault(status=401))
        assert app.get(api).status == 200
        adobe.inject("api", Fault(status=401, body=b"x" * 3_000_000))
        answer = app.get(api)
    assert (answer.status, len(answer.content)) == (401, 3_000_000)
    assert adobe.counts.token == 2


def test_a_failed_renewal_frees_the_connection_of_a_large_refusal(
    kind: Kind, source: TokenSource, adobe: Simulator, api: str
) -> None:
    """A 401 that nobody gets, because the renewal fails, does not hold the only connection, however large it is."""
    with kind.open(kind.auth(source), pool=1) as app:
        assert app.get(api).status == 200
        adobe.inject("api", Fault(status=401, body=b"x" * 3_000_000))
        adobe.inject("token", Fault(status=503), times=None)
        with pytest.raises(kind.host_error) as caught:
            app.get(api)
        assert app.get(api).status == 200
    assert isinstance(caught.value, ServerUnavailable)


def test_errors_are_the_hosts_as_well(kind: Kind, source: TokenSource, adobe: Simulator, api: str) -> None:
    """What an adapter raises is caught by the library's own except clause and tells what dcrauth knows."""
    adobe.inject("token", Fault(status=503), times=None)
    with kind.open(kind.auth(source)) as app, pytest.raises(kind.host_error) as caught:
        app.get(api)
    assert isinstance(caught.value, DCRAuthError)
    assert isinstance(caught.value, ServerUnavailable)
    assert caught.value.status == 503
    assert caught.value.retry_at is not None
    assert not isinstance(caught.value, kind.connection_error)
    assert adobe.counts.api == 0


@pytest.mark.fault(
    "the provider cannot be reached, and the application retries what its HTTP library raises for that",
    "the error is one of those, and the retry finds the provider back",
)
def test_retry_layers_see_a_connection_fault(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str
) -> None:
    """What a retry layer takes for a lost connection includes ours: tenacity sends the request, which was not sent."""
    adobe.inject("register", Fault(reset=True), times=3)
    source = make_source()
    with kind.open(kind.auth(source)) as app:
        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(kind.connection_error),
            wait=tenacity.wait_fixed(0.05),
            stop=tenacity.stop_after_attempt(3),
        )
        assert retrying(app.get, api).status == 200
    assert (adobe.counts.registered, adobe.counts.api) == (1, 1)


def test_cookies_of_the_refusal_are_kept(app: App, adobe: Simulator, api: str) -> None:
    """A cookie that a 401 sets is sent with the request's second attempt and with later ones, as any cookie is."""
    assert app.get(api).status == 200
    adobe.inject("api", Fault(status=401, headers=(("Set-Cookie", "AWSALB=one; Path=/"),)))
    assert app.get(api).status == 200
    assert app.get(api).status == 200
    assert [call.headers.get("cookie") for call in adobe.calls if call.path.startswith("/api/")][2:] == [
        "AWSALB=one"
    ] * 2
    assert adobe.counts.token == 2


def test_the_callers_cookies_survive_a_renewal(kind: Kind, source: TokenSource, adobe: Simulator, api: str) -> None:
    """The second attempt carries the session's cookies together with those that the 401 has set."""
    with kind.open(kind.auth(source), cookies={"mine": "1"}) as app:
        adobe.inject("api", Fault(status=401, headers=(("Set-Cookie", "AWSALB=one; Path=/"),)))
        assert app.get(api).status == 200
    first, second = [call.headers["cookie"] for call in adobe.calls if call.path.startswith("/api/")]
    assert first == "mine=1"
    assert set(second.split("; ")) == {"mine=1", "AWSALB=one"}


@of_adobe_alone
def test_device_headers_go_where_they_belong(
    kind: Kind,
    make_source: Callable[..., TokenSource],
    provider: object,
    adobe: Simulator,
    foreign: Simulator,
    api: str,
) -> None:
    """Requests to protected APIs carry the device headers unless the caller has set them; others never do."""
    from dcrauth import AdobePass, DeviceInfo

    assert isinstance(provider, AdobePass)
    device = DeviceInfo(model="m", version="1", os_name="Linux", os_version="6", connection_type="LAN")
    source = make_source(provider=provider.for_device(device, forwarded_for="203.0.113.7"))
    with kind.open(kind.auth(source)) as app:
        app.get(api)
        app.get(api, headers={"X-Device-Info": "mine"})
        app.get(f"{foreign.url}/api/v2/REF30/configuration")
    assert {call.headers.get("x-device-info") for call in adobe.calls[:3]} == {device.header}
    assert {call.headers.get("x-forwarded-for") for call in adobe.calls} == {"203.0.113.7"}
    assert adobe.calls[3].headers["x-device-info"] == "mine"
    assert foreign.calls[0].headers.get("x-device-info") is None
    assert foreign.calls[0].headers.get("x-forwarded-for") is None


class HeldBack(Simulator):
    """A server that keeps the calls of one endpoint until it is told to let go.

    Parameters:
        endpoint: "register" or "token".
    """

    def __init__(self, endpoint: str) -> None:
        super().__init__()
        self._endpoint = endpoint
        self._gate = threading.Event()

    def receive(self, call: Call) -> Visit:
        """Keep a call until the others may go on as well."""
        visit = super().receive(call)
        if call.endpoint == self._endpoint:
            self._gate.wait(PATIENCE)
        return visit

    def let_go(self) -> None:
        """Answer what was kept, and from now on everything."""
        self._gate.set()

    def stop(self) -> None:
        """End serving, with nothing kept back."""
        self.let_go()
        super().stop()


@pytest.mark.fault(
    "the request that set a renewal off is cancelled, or times out",
    "the renewal goes on, and the next request uses its token",
)
def test_a_leader_that_gives_up_harms_nobody(
    kind: Kind, make_source: Callable[..., TokenSource], provider_for: Place
) -> None:
    """A request that is cancelled or timed out while its renewal is under way leaves a token for the next one."""
    with HeldBack("token") as adobe:
        source = make_source(provider=provider_for(adobe))
        api = f"{adobe.url}/api/v2/REF30/configuration"
        with kind.open(kind.auth(source)) as app:
            if kind.is_async:
                assert app.give_up_after(0.2, api)
            else:
                with pytest.raises(kind.host_error, match="within"), patience(source, 0.2):
                    app.get(api)
            adobe.let_go()
            assert app.get(api).status == 200
        assert (adobe.counts.register, adobe.counts.token) == (1, 1)


@contextmanager
def patience(source: TokenSource, seconds: float) -> Iterator[None]:
    """Let callers wait no longer than so many seconds meanwhile."""
    policy = source._policy
    source._policy = replace(policy, timeout=seconds)
    try:
        yield
    finally:
        source._policy = policy


@pytest.mark.parametrize("library", sorted({kind.library for kind in KINDS}))
def test_one_instance_serves_threads_loops_and_runs(
    library: str, source: TokenSource, adobe: Simulator, api: str
) -> None:
    """One auth object shared by two threads, two asyncio loops and two trio runs at once makes one renewal."""
    kinds = [kind for kind in KINDS if kind.library == library] * 2
    auth = kinds[0].auth(source)
    adobe.behaviour = Behaviour(register_delay=0.3)

    def use(kind: Kind) -> list[int]:
        with kind.open(auth) as app:
            return [answer.status for answer in app.send_many(3, "GET", api)]

    with ThreadPoolExecutor(len(kinds)) as pool:
        assert list(pool.map(use, kinds)) == [[200] * 3] * len(kinds)
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)


def test_nothing_is_registered_without_a_store(
    kind: Kind, make_source: Callable[..., TokenSource], adobe: Simulator, api: str, tmp_path: Path
) -> None:
    """A store directory that cannot be written is an error before any registration is attempted."""
    (tmp_path / "store").write_text("in the way")
    source = make_source(store=FileStore(tmp_path / "store"))
    with kind.open(kind.auth(source)) as app, pytest.raises(kind.host_error) as caught:
        app.get(api)
    assert isinstance(caught.value, StoreError)
    assert (adobe.counts.register, adobe.counts.api) == (0, 0)


@pytest.mark.fault(
    "an answer with a good status is no JSON, lacks a field, or has an unknown token type",
    "an error with its status, on every client; no request is sent",
)
@pytest.mark.parametrize("attempt", ["token_body", "register_body", "unknown_type"])
def test_malformed_answers_are_clear_errors(
    kind: Kind, source: TokenSource, adobe: Simulator, api: str, attempt: str
) -> None:
    """An answer that cannot be read is an error with its status, after which nothing is stored that is not good."""
    endpoint, body, error = {
        "token_body": ("token", b"<html>", ServerUnavailable),
        "register_body": ("register", b'{"client_id":"only"}', RegistrationRejected),
        "unknown_type": ("token", b'{"access_token":"t","token_type":"mac"}', Rejected),
    }[attempt]
    adobe.inject(endpoint, Fault(status=201, body=body), times=None)
    with kind.open(kind.auth(source)) as app, pytest.raises(kind.host_error, match="HTTP 201 with") as caught:
        app.get(api)
    assert isinstance(caught.value, DCRAuthError)
    assert isinstance(caught.value, error)
    assert caught.value.status == 201
    assert adobe.counts.api == 0


def test_over_tls_only_the_protected_origin_gets_the_token(
    kind: Kind, make_source: Callable[..., TokenSource], provider_for: Place, tmp_path: Path, time: ManualClock
) -> None:
    """With real TLS, another port and plain HTTP of the same host are foreign, and their redirect targets too."""
    authority = trustme.CA()
    context, trust = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), ssl.create_default_context()
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.configure_trust(trust)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with (
        Simulator(ssl_context=context, clock=time.wall) as adobe,
        Simulator(ssl_context=context) as neighbour,
        Simulator() as plain,
    ):
        transport = kind.auth._own_transport(ca_bundle=bundle)
        source = make_source(provider=provider_for(adobe), transport=transport)
        verify = str(bundle) if kind.library in {"requests", "niquests"} else trust
        with kind.open(kind.auth(source), verify=verify) as app:
            assert app.get(f"{adobe.url}/api/v2/REF30/configuration").status == 200
            for other in (neighbour, plain):
                app.get(f"{other.url}/api/v2/REF30/configuration")
                app.get(f"{adobe.url}/api/v2/REF30/redirect?to={other.url}/api/v2/REF30/echo")
                assert tokens_seen(other) == [None, None]
        assert (adobe.counts.register, adobe.counts.token) == (1, 1)
