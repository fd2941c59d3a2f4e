"""What every provider promises, as tests to run over a provider of your own.

    import pytest
    from dcrauth.testing.provider_contract import ProviderContract

    class TestMyServer(ProviderContract):
        @pytest.fixture
        def provider(self):
            return MyServer("https://issuer.example", protects=["https://api.example"])

No server is called: the tests send the flows answers of their own, good ones, which `registration` and `token` are, and
all kinds of bad ones.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

try:
    import pytest
except ImportError as missing:
    raise ImportError("dcrauth.testing.provider_contract needs pytest; run: pip install dcrauth[testing]") from missing

from dcrauth.credentials import ClientCredentials
from dcrauth.providers.origins import Origin, is_loopback
from dcrauth.providers.protocol import (
    Flow,
    Moment,
    Problem,
    Provider,
    Request,
    Response,
    TokenGrant,
    Verdict,
    check_provider,
    run,
)

MOMENT = Moment(1_700_000_000.0, random=bytes(range(32)))
LATER = Moment(1_700_000_060.0, random=bytes(range(32, 64)))
SECRET = "canarySecretCanarySecretCanary"
CLIENT = ClientCredentials("canary-client", SECRET, registered_at=1_699_999_000.0)

ODD_ANSWERS = [
    Response(status, headers, body)
    for status in (200, 201, 204, 302, 400, 401, 403, 404, 429, 500, 503)
    for headers, body in (
        ({}, b""),
        ({"content-type": "text/html"}, b"<html>please log in</html>"),
        ({"content-type": "application/json"}, b"null"),
        ({"content-type": "application/json"}, b'{"client_id": 5, "access_token": ["a"]}'),
        ({"content-type": "application/json"}, b'{"error": {"code": "x"}}'),
        ({"www-authenticate": 'Bearer error="invalid_token'}, b'{"acces'),
        ({}, b"\\xff" * 50),
    )
]
"""What servers, and whatever stands before them, answer beside what they should."""


class ProviderContract:
    """The promises of a `dcrauth.Provider`; subclass it and override `provider`, and the good answers if need be."""

    @pytest.fixture
    def provider(self) -> Provider:
        """Return the provider under test."""
        raise NotImplementedError("override the fixture 'provider'")

    @pytest.fixture
    def registration(self) -> Response:
        """Return a good answer to a registration: of the client ``newclient``, with the secret `SECRET`."""
        return as_json({"client_id": "newclient", "client_secret": SECRET, "client_secret_expires_at": 0})

    @pytest.fixture
    def token(self) -> Response:
        """Return a good answer to a token call: of the token ``newtoken``, for an hour."""
        return as_json({"access_token": "newtoken", "token_type": "Bearer", "expires_in": 3600})

    def test_it_is_a_provider(self, provider: Any) -> None:
        """It has all that the protocol names, and what tells it from others is text."""
        check_provider(provider)
        assert provider.anchor
        assert all(isinstance(each, str) for each in (*provider.anchor, provider.register_url, provider.token_url))
        assert all(isinstance(each, Origin) for each in provider.protected_origins)

    def test_a_client_is_registered(self, provider: Provider, registration: Response) -> None:
        """A good answer makes client credentials; the call that makes a client says so, and is not repeatable."""
        if getattr(provider, "given", None) is not None:
            pytest.skip("the client of this provider is given")
        result, requests = carried_out(provider.register(MOMENT), registration)
        assert isinstance(result, ClientCredentials)
        assert (result.client_id, result.client_secret) == ("newclient", SECRET)
        assert [each.registers for each in requests][-1] is True
        assert not any(each.registers and each.repeatable for each in requests)

    def test_a_token_is_fetched(self, provider: Provider, token: Response) -> None:
        """A good answer is a token with its life, and no call of that makes a client."""
        result, requests = carried_out(provider.fetch_token(CLIENT, MOMENT), token)
        assert isinstance(result, TokenGrant)
        assert (result.value, result.expires_in) == ("newtoken", 3600)
        assert not any(each.registers for each in requests)

    def test_secrets_go_where_they_are_safe(self, provider: Provider, registration: Response, token: Response) -> None:
        """Every call goes over TLS, or to this machine; the URL without its query is what messages show."""
        flows: list[tuple[Flow[Any], Any]] = [(provider.fetch_token(CLIENT, MOMENT), token)]
        if getattr(provider, "given", None) is None:
            flows.append((provider.register(MOMENT), registration))
        for flow, answer in flows:
            for request in carried_out(flow, answer)[1]:
                scheme, _, rest = request.url.partition("://")
                assert scheme == "https" or is_loopback(rest.partition("/")[0].partition(":")[0])
                assert request.url.partition("?")[0].startswith(request.endpoint.partition("?")[0])
                assert SECRET not in request.endpoint

    def test_nothing_is_shown(self, provider: Provider, token: Response) -> None:
        """No repr of the provider, of a request, or of what came of it has a secret in it."""
        result, requests = carried_out(provider.fetch_token(CLIENT, MOMENT), token)
        assert SECRET not in repr([provider, requests, CLIENT])
        assert "newtoken" not in repr(result)

    def test_flows_are_pure(self, provider: Provider, token: Response) -> None:
        """At the same moment a flow asks for the same: it reads no clock and draws nothing of its own."""
        first, second = (carried_out(provider.fetch_token(CLIENT, MOMENT), token)[1] for _ in range(2))
        assert first == second

    @pytest.mark.parametrize("answer", ODD_ANSWERS, ids=lambda each: f"{each.status} with {len(each.body)} bytes")
    def test_odd_answers_are_problems(self, provider: Provider, answer: Response) -> None:
        """Whatever is answered, a flow ends in a result, and never in an exception."""
        begun: list[Callable[[], Flow[Any]]] = [lambda: provider.fetch_token(CLIENT, MOMENT)]
        if getattr(provider, "given", None) is None:
            begun.append(lambda: provider.register(MOMENT))
        for begin in begun:
            result, _ = run(begin(), lambda request: answer)
            assert isinstance(result.value, Problem)
            assert SECRET not in result.value.reason

    @pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b"\\xff", b'{"error": "invalid_token"}'])
    def test_a_refusal_is_read(self, provider: Provider, body: bytes) -> None:
        """Whatever a protected API says with a 401, there is a verdict."""
        for headers in ({}, {"www-authenticate": 'Basic realm="a, b", Bearer error="invalid_token"'}):
            assert isinstance(provider.verdict(401, headers, body), Verdict)


def as_json(fields: Mapping[str, object]) -> Response:
    """Return *fields* as an answer in JSON."""
    return Response(201, {"content-type": "application/json"}, json.dumps(fields).encode())


def carried_out(flow: Flow[Any], answer: Response) -> tuple[Any, list[Request]]:
    """Run *flow*, each request answered by *answer*; return what it comes to, and what it has asked for."""
    requests: list[Request] = []

    def send(request: Request) -> Response:
        requests.append(request)
        return answer

    return run(flow, send)[0].value, requests
