"""One client that sends requests of many instances: each goes with the token of the instance that it names."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from adapters_tests.common.clients import KINDS, App, Kind
from adapters_tests.common.clock import EAGER, ManualClock
from dcrauth import (
    AdobePass,
    ConfigurationError,
    DCRAuthError,
    DeviceInfo,
    FileStore,
    InstanceRefused,
    MemoryStore,
    Policy,
    RegistrationRejected,
    RegistrationsLimited,
    TokenSource,
    TokenSources,
    Transport,
    Unavailable,
    events,
)
from dcrauth._internal.strict_json import jwt_claims
from dcrauth.providers.adobe.device_identifier import identifier_header
from dcrauth.providers.protocol import Request, Response
from dcrauth.simulator import Call, Fault, Simulator

HOUR = 3600.0
NAME = "AP-Device-Identifier"

Make = Callable[..., TokenSources]


QUICK = {"requests", "httpx", "httpx-asyncio", "aiohttp"}
"""Clients of which each runs code of ours that the others do not; the rest is left out of the quick path."""


@pytest.fixture(
    params=[pytest.param(kind, marks=[pytest.mark.slow] * (kind.name not in QUICK)) for kind in KINDS], ids=str
)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the clients."""
    found: Kind = request.param
    return found


@pytest.fixture
def make(provider: AdobePass, time: ManualClock, kind: Kind) -> Make:
    """Make the sources of many instances, each as one of another process."""

    def made(**settings: Any) -> TokenSources:
        usual = {"store": MemoryStore(), "policy": EAGER, "clock": time.clock, "transport": kind.auth._own_transport()}
        return TokenSources(settings.pop("provider", provider), **usual | settings)

    return made


@pytest.fixture
def sources(make: Make) -> TokenSources:
    """Sources of any number of instances."""
    return make()


@pytest.fixture
def devices(kind: Kind, sources: TokenSources) -> Iterator[App]:
    """A session of each client for the requests of many devices."""
    with kind.open(kind.auth(sources)) as opened:
        yield opened


def of(device: str, **more: str) -> dict[str, str]:
    """Return the headers of a request of a device."""
    return {NAME: identifier_header(device)} | {name.replace("_", "-"): value for name, value in more.items()}


def client_of(call: Call) -> str:
    """Return the client whose token a call has carried."""
    claims = jwt_claims(call.headers["authorization"].removeprefix("Bearer "))
    return str(claims["sub"])


def calls_to(adobe: Simulator, endpoint: str) -> list[Call]:
    return [call for call in adobe.calls if call.endpoint == endpoint]


def test_each_request_goes_with_the_token_of_its_device(devices: App, adobe: Simulator, api: str) -> None:
    """Requests of two devices have two clients, each registered once, however they are mixed."""
    for device in ("one", "other", "one", "other", "one"):
        assert devices.get(api, headers=of(device)).status == 200
    clients = [client_of(call) for call in calls_to(adobe, "api")]
    assert clients[0] == clients[2] == clients[4] != clients[1] == clients[3]
    assert (adobe.counts.register, adobe.counts.token) == (2, 2)


def test_many_requests_at_once(kind: Kind, devices: App, adobe: Simulator, api: str) -> None:
    """Requests of one device at once share one registration and one token call."""
    answers = devices.send_many(8, "GET", api, headers=of("one"))
    assert {answer.status for answer in answers} == {200}
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)


def test_a_device_is_the_same_by_its_name(devices: App, sources: TokenSources, adobe: Simulator, api: str) -> None:
    """The source of a device that is asked for by hand is that of its requests."""
    token = sources.get("device-42").token()
    assert devices.get(api, headers=of("device-42")).status == 200
    (call,) = calls_to(adobe, "api")
    assert call.headers["authorization"] == token.authorization
    assert len(sources) == 1


def test_the_two_calls_describe_the_device(
    devices: App, adobe: Simulator, time: ManualClock, api: str, sources: TokenSources
) -> None:
    """Registration and token call carry what the request says of its device, and the next ones what the next says."""
    info = [DeviceInfo.detect(model=model).header for model in ("first", "second")]
    devices.get(api, headers=of("one", X_Device_Info=info[0], X_Forwarded_For="203.0.113.7"))
    for endpoint in ("register", "token"):
        (call,) = calls_to(adobe, endpoint)
        assert (call.headers["x-device-info"], call.headers["x-forwarded-for"]) == (info[0], "203.0.113.7")
        assert NAME.lower() not in call.headers
    time.advance(7 * HOUR)
    devices.get(api, headers=of("one", X_Device_Info=info[1]))
    call = calls_to(adobe, "token")[-1]
    assert (call.headers["x-device-info"], call.headers["x-forwarded-for"]) == (info[1], "203.0.113.7")
    sent = calls_to(adobe, "api")[-1].headers
    assert sent["x-device-info"] == info[1]
    assert "x-forwarded-for" not in sent


def test_a_provider_for_a_device_describes_its_requests(
    devices: App, sources: TokenSources, provider: AdobePass, adobe: Simulator, api: str
) -> None:
    """What a provider that was given for an instance says of it is added where a request says nothing."""
    sources.get("one", provider=provider.for_device(None, forwarded_for="203.0.113.9"))
    devices.get(api, headers=of("one"))
    devices.get(api, headers=of("one", X_Forwarded_For="203.0.113.10"))
    assert [call.headers["x-forwarded-for"] for call in calls_to(adobe, "api")] == ["203.0.113.9", "203.0.113.10"]


def refused(app: App, kind: Kind, url: str, headers: dict[str, str], error: type[DCRAuthError]) -> DCRAuthError:
    """Return the error of a request that is not sent, which is one of the library's as well."""
    with pytest.raises(kind.host_error) as caught:
        app.get(url, headers=headers)
    assert isinstance(caught.value, error)
    return caught.value  # type: ignore[return-value]


NAMELESS: list[dict[str, str]] = [
    {},
    {NAME: ""},
    {NAME: "fingerprint"},
    {NAME: "fingerprint %%%"},
    {NAME: "fingerprint /////w=="},
    {NAME: "device-42"},
    {NAME: identifier_header("x")[:-1] + "A" * 700 + "QUFB"},
]


def test_a_request_of_nobody_is_not_sent(kind: Kind, devices: App, adobe: Simulator, api: str) -> None:
    """A request to a protected API that names no instance, or none that can be, is an error and never goes unsigned."""
    for headers in NAMELESS:
        error = refused(devices, kind, api, headers, ConfigurationError)
        assert NAME in str(error)
        assert "AAAAAA" not in str(error)
    assert adobe.calls == ()


def test_other_requests_pass(devices: App, adobe: Simulator, foreign: Simulator, api: str) -> None:
    """A request to another origin, and one with an Authorization of the caller's, goes as it is."""
    assert devices.get(f"{foreign.url}/api/v2/REF30/configuration").status == 401
    for headers in ({"Authorization": "Basic eA=="}, {"Authorization": "Basic eA=="} | of("one")):
        assert devices.get(api, headers=headers).status == 401
    assert [call.headers["authorization"] for call in calls_to(adobe, "api")] == ["Basic eA=="] * 2
    assert all("authorization" not in call.headers for call in foreign.calls)
    assert adobe.counts.register == 0


def test_an_authorization_that_says_nothing_is_none(kind: Kind, devices: App, adobe: Simulator, api: str) -> None:
    """An empty Authorization does not let a request of nobody pass."""
    refused(devices, kind, api, {"Authorization": "Bearer "}, ConfigurationError)
    assert devices.get(api, headers={"Authorization": "Bearer "} | of("one")).status == 200
    assert adobe.counts.refused == 0


def test_a_rule_of_ones_own(kind: Kind, make: Make, adobe: Simulator, api: str) -> None:
    """With instance_of, the program says whose a request is; header names are read in any case."""
    sources = make()
    auth = kind.auth(sources, instance_of=lambda headers: headers["x-customer"])
    with kind.open(auth) as app:
        for customer in ("one", "other", "one"):
            assert app.get(api, headers={"X-Customer": customer}).status == 200
        assert app.get(api, headers={"Authorization": "Basic eA=="}).status == 401
    assert [sources.held(each) is not None for each in ("one", "other")] == [True, True]
    assert adobe.counts.register == 2


class Told:
    """What one's own rule may say that is no instance."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def __call__(self, headers: Any) -> Any:
        return self.value


def raising(headers: Any) -> str:
    """Fail, as a lookup of a header that is not there does."""
    return str(headers["X-Not-There"])


WRONG_RULES: list[tuple[Callable[[Any], Any], str]] = [
    (Told(None), "instance_of returns must be text"),
    (Told(""), "instance_of returns must be a text of 1 to 512"),
    (Told("canary" * 90), "a text of 540 characters"),
    (Told(b"one"), "not bytes"),
    (Told("\ud800"), "instance_of returns holds half a character"),
    (Told(["one"]), "not list"),
    (raising, "instance_of raised KeyError"),
]


def test_a_rule_that_is_wrong(kind: Kind, make: Make, adobe: Simulator, api: str) -> None:
    """Whatever one's own rule returns or raises that is no instance is a ConfigurationError, and nothing is sent."""
    for rule, message in WRONG_RULES:
        with kind.open(kind.auth(make(), instance_of=rule)) as app:
            error = refused(app, kind, api, of("one"), ConfigurationError)
            assert message in str(error)
            assert "canary" not in str(error)
    assert adobe.calls == ()


class Crowding:
    """A transport that has a source let go while a call is made for it."""

    def __init__(self, inner: Transport) -> None:
        self._inner = inner
        self.sources: TokenSources | None = None

    def send(self, request: Request) -> Response:
        if self.sources is not None:
            self.sources.get("crowd")
        return self._inner.send(request)


async def awaited(headers: Any) -> str:
    """Say whose a request is, too late."""
    return "one"


class Plain:
    """A provider of somebody else's that has no rule for whose a request is."""

    def __init__(self, inner: AdobePass) -> None:
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        if name in {"instance_in", "instance_header", "for_request", "device_headers"}:
            raise AttributeError(name)
        return getattr(self._inner, name)


def test_wrong_arguments(kind: Kind, make: Make, provider: AdobePass) -> None:
    """Sources come with their settings, and a rule is a plain function for them only."""
    for name, value in (
        ("store", MemoryStore()),
        ("instance", "one"),
        ("transport", kind.auth._own_transport()),
        ("policy", Policy()),
        ("on_event", print),
    ):
        with pytest.raises(ConfigurationError, match=f"^{name} cannot be given .* TokenSources has its own store"):
            kind.auth(make(), **{name: value})
    with pytest.raises(ConfigurationError, match=r"^store, policy cannot be given"):
        kind.auth(make(), store=MemoryStore(), policy=Policy())
    for rule in (5, "AP-Device-Identifier", awaited):
        with pytest.raises(ConfigurationError, match="instance_of must be a function"):
            kind.auth(make(), instance_of=rule)
    for source in (provider, TokenSource(provider, store=MemoryStore())):
        with pytest.raises(ConfigurationError, match="instance_of is for a TokenSources"):
            kind.auth(source, instance_of=lambda headers: "one")
    with pytest.raises(ConfigurationError, match="Plain has no rule"):
        kind.auth(make(provider=Plain(provider)))


def test_a_provider_without_a_rule(kind: Kind, make: Make, provider: AdobePass, adobe: Simulator, api: str) -> None:
    """A provider of somebody else's does with a rule of one's own."""
    auth = kind.auth(make(provider=Plain(provider)), instance_of=lambda headers: headers["X-Customer"])
    with kind.open(auth) as app:
        assert app.get(api, headers={"X-Customer": "one"}).status == 200
    assert adobe.counts.register == 1


def test_a_refusal_is_mended_by_the_source_of_the_request(kind: Kind, make: Make, adobe: Simulator, api: str) -> None:
    """A request that is sent once more has a token of the instance of the first time, though its source is let go."""
    told: list[events.Event] = []
    asked = iter(["one", "other"])
    transport = Crowding(kind.auth._own_transport())
    sources = transport.sources = make(most=1, on_event=told.append, transport=transport)
    sources.get("one").token()
    adobe.revoke_tokens()
    with kind.open(kind.auth(sources, instance_of=lambda headers: next(asked))) as app:
        assert app.get(api).status == 200
    first, second = calls_to(adobe, "api")
    assert client_of(first) == client_of(second)
    assert first.headers["authorization"] != second.headers["authorization"]
    assert (adobe.counts.register, next(asked), list(sources._held)) == (1, "other", ["crowd"])
    name = sources.get("one")._identity.key[:8]
    assert sources.get("one").flush_events(20)
    assert [each.identity for each in told if isinstance(each, events.RequestRetried)] == [name]


def redirect(adobe: Simulator, to: str) -> str:
    return f"{adobe.url}/api/v2/REF30/redirect?to={quote(to, safe='')}"


def test_a_redirect_keeps_the_identity(devices: App, adobe: Simulator, foreign: Simulator, api: str) -> None:
    """A hop to a protected API has the token of the request's instance; one to another origin has none."""
    assert devices.get(redirect(adobe, api), headers=of("one")).status == 200
    first, second = calls_to(adobe, "api")
    assert first.headers["authorization"] == second.headers["authorization"]
    devices.get(redirect(adobe, f"{foreign.url}/api/v2/REF30/configuration"), headers=of("one"))
    assert all("authorization" not in call.headers for call in foreign.calls)
    assert foreign.calls
    assert adobe.counts.register == 1


def test_a_refusal_after_a_redirect_is_mended(devices: App, sources: TokenSources, adobe: Simulator, api: str) -> None:
    """A refusal at the end of a redirect is mended with a token of the same instance."""
    sources.get("one").token()
    sources.get("other").token()
    adobe.inject("api", Fault(status=302, headers=(("Location", api),)))
    adobe.revoke_tokens()
    assert devices.get(api, headers=of("one")).status == 200
    assert len({client_of(call) for call in calls_to(adobe, "api")}) == 1
    assert (adobe.counts.register, adobe.counts.token) == (2, 3)


@pytest.mark.fault(
    "somebody invents instances",
    "`allow` lets only known ones in, and `registrations_per_hour` bounds how many clients are made; "
    "such a request is an error and is not sent",
)
def test_who_invents_instances(kind: Kind, make: Make, adobe: Simulator, api: str) -> None:
    """Instances that are not allowed, or one too many in an hour, are refused; those that are known go on."""
    sources = make(allow=lambda instance: instance.startswith("mine"), registrations_per_hour=2, most=1)
    with kind.open(kind.auth(sources)) as app:
        refused(app, kind, api, of("theirs"), InstanceRefused)
        for device in ("mine-1", "mine-2"):
            assert app.get(api, headers=of(device)).status == 200
        for device in ("mine-3", "mine-4", "mine-3"):
            error = refused(app, kind, api, of(device), RegistrationsLimited)
            assert isinstance(error, Unavailable)
            assert error.retry_at is not None
        for device in ("mine-1", "mine-2"):
            assert app.get(api, headers=of(device)).status == 200
    assert adobe.counts.register == 2
    assert len(calls_to(adobe, "api")) == 4


def test_an_auth_object_made_anew_for_each_request(kind: Kind, adobe: Simulator, tmp_path: Path, api: str) -> None:
    """With a DCRAuth, a provider and a store for each request, a refused statement is shown once."""
    adobe.revoke_statement()
    for _ in range(20):
        auth = kind.auth(AdobePass(adobe.software_statement, base_url=adobe.url), store=FileStore(tmp_path))
        with kind.open(auth) as app:
            refused(app, kind, api, {}, RegistrationRejected)
    assert adobe.counts.register == 1


def test_a_failure_is_that_of_one_device(kind: Kind, devices: App, adobe: Simulator, api: str) -> None:
    """A device whose client is refused fails alone."""
    assert devices.get(api, headers=of("one")).status == 200
    adobe.inject("register", Fault(status=400, body=b'{"error": "invalid_request"}'))
    refused(devices, kind, api, of("bad"), DCRAuthError)
    refused(devices, kind, api, of("bad"), DCRAuthError)
    assert devices.get(api, headers=of("two")).status == 200
    assert adobe.counts.register == 3


def test_copies_and_reprs(kind: Kind, sources: TokenSources) -> None:
    """The auth object of many shows how many there are, and a pickle of it carries nothing."""
    auth = kind.auth(sources)
    assert "TokenSources" in repr(auth)
    assert "0 held" in repr(auth)
    with pytest.raises(ConfigurationError, match="pickle"):
        pickle.loads(pickle.dumps(auth))(None)  # noqa: S301  # its own


def test_a_prepared_request_is_signed_anew(provider: AdobePass, adobe: Simulator, api: str) -> None:
    """A request that is signed twice has one hook, is taken for ours, and its response can be pickled."""
    requests = pytest.importorskip("requests", reason="niquests is tested alone")
    from dcrauth.requests import DCRAuth

    auth = DCRAuth(TokenSources(provider, store=MemoryStore(), policy=EAGER))
    with requests.Session() as session:
        prepared = session.prepare_request(requests.Request("GET", api, headers=of("one"), auth=auth))
        assert auth(prepared) is prepared
        assert len(prepared.hooks["response"]) == 1
        adobe.revoke_tokens()
        response = session.send(prepared)
    assert response.status_code == 200
    assert len(calls_to(adobe, "api")) == 2
    again = pickle.loads(pickle.dumps(response))  # noqa: S301  # its own
    with pytest.raises(ConfigurationError, match="pickle"):
        again.request.hooks["response"][0](again)


def test_headers_in_bytes(provider: AdobePass, adobe: Simulator, api: str) -> None:
    """Requests takes header fields in bytes; they name the same device."""
    requests = pytest.importorskip("requests", reason="niquests is tested alone")
    from dcrauth.requests import DCRAuth

    sources = TokenSources(provider, store=MemoryStore(), policy=EAGER)
    headers: Any = {name: value.encode() for name, value in of("one", X_Forwarded_For="203.0.113.7").items()}
    with requests.Session() as session:
        session.auth = DCRAuth(sources)
        assert session.get(api, headers=headers).status_code == 200
    assert sources.held("one") is not None
    assert calls_to(adobe, "register")[0].headers["x-forwarded-for"] == "203.0.113.7"
