"""What an OAuth server is asked, and what its answers come to: flows that are driven by hand, without a network."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import pytest
from joserfc import jwk

from dcrauth import (
    ClientCredentials,
    ClientSecret,
    ClientSecretJWT,
    ConfigurationError,
    MutualTLS,
    OAuthServer,
    PrivateKeyJWT,
    ServerUnavailable,
    SoftwareStatement,
)
from dcrauth._internal.confidential import replaced
from dcrauth._internal.strict_json import jwt_claims
from dcrauth.engine.answer_secrets import without_secrets
from dcrauth.engine.answers import Meaning, meaning
from dcrauth.engine.identity import Identity
from dcrauth.providers.protocol import Flow, FlowResult, Moment, Problem, Request, Response, TokenGrant, Verdict

ISSUER = "https://issuer.example/tenant"
API = "https://api.example"
STATEMENT = "eyJhbGciOiJSUzI1NiJ9.eyJzb2Z0d2FyZV9pZCI6ImFwcCIsInN1YiI6InMifQ.c2ln"
METADATA = {
    "issuer": ISSUER,
    "token_endpoint": "https://tokens.example/token?tenant=1",
    "registration_endpoint": "https://issuer.example/register",
}
CLIENT = ClientCredentials("id", "secret-of-the-client")
KEY = dict(jwk.ECKey.generate_key("P-256").as_dict(private=True))
NOW = 1_000_000.0
MANAGED = ClientCredentials(
    "id",
    "secret-of-the-client",
    metadata={
        "registration_client_uri": "https://issuer.example/register/id",
        "registration_access_token": "token-of-the-client",
        "client_secret_expires_at": 2_000_000,
        "client_id_issued_at": 1,
        "scope": "a",
    },
)


def server(**options: Any) -> OAuthServer:
    """A server that is asked where its endpoints are."""
    return OAuthServer(ISSUER, **{"protects": [API], **options})


def placed(**options: Any) -> OAuthServer:
    """A server whose endpoints are given."""
    places = {"registration_endpoint": METADATA["registration_endpoint"], "token_endpoint": METADATA["token_endpoint"]}
    return OAuthServer(protects=[API], **{**places, **options})


def answer(status: int = 200, body: object = b"", **headers: str) -> Response:
    """An answer; what is no bytes is written as JSON."""
    whole = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Response(status, {name.replace("_", "-"): value for name, value in headers.items()}, whole)


def metadata(**changes: Any) -> Response:
    return answer(200, {**METADATA, **changes})


def drive(flow: Flow[Any] | None, *answers: Response | ServerUnavailable) -> tuple[FlowResult[Any], list[Request]]:
    """Send *answers*, in order, to what *flow* asks for; errors are raised in it."""
    assert flow is not None
    sent: list[Request] = []
    waiting = list(answers)
    try:
        request = next(flow)
        while True:
            sent.append(request)
            following = waiting.pop(0)
            request = flow.throw(following) if isinstance(following, Exception) else flow.send(following)
    except StopIteration as end:
        assert not waiting, "fewer requests than answers"
        return end.value, sent


def problem_of(result: FlowResult[Any]) -> Problem:
    assert isinstance(result.value, Problem), result.value
    return result.value


def moment(kept: Any = None, **changes: Any) -> Moment:
    return Moment(**{"wall": NOW, "random": b"\1" * 32, "kept": kept or {}, **changes})


def form_of(request: Request) -> dict[str, list[str]]:
    return parse_qs(request.body.decode())


GRANT = answer(200, {"access_token": "granted", "token_type": "Bearer", "expires_in": 60})
REGISTERED = answer(201, {"client_id": "id", "client_secret": "secret", "client_secret_expires_at": 0})
NO_ANSWER = ServerUnavailable("there was no answer")


class Own(ClientSecret):
    """A way for a client to prove itself that is the user's own."""

    def __init__(self, said: Any) -> None:
        super().__init__()
        object.__setattr__(self, "said", said)

    @property
    def metadata(self) -> Any:
        said: Any = self.said  # type: ignore[attr-defined]
        if isinstance(said, Exception):
            raise said
        return said


WRONG: dict[str, tuple[Callable[[], object], str]] = {
    "neither issuer nor endpoints": (lambda: OAuthServer(protects=[API]), "Neither issuer nor token_endpoint"),
    "a token endpoint alone": (lambda: placed(registration_endpoint=None), "registration_endpoint is missing"),
    "http": (lambda: OAuthServer("http://issuer.example", protects=[API]), "issuer is http://issuer.example"),
    "an http endpoint": (lambda: placed(token_endpoint="http://a.example/t"), "token_endpoint is http://a.example"),
    "a fragment": (lambda: placed(token_endpoint="https://a.example/t#a"), "token_endpoint must not hold a fragment"),
    "no URL": (lambda: OAuthServer("issuer", protects=[API]), "issuer is not an absolute URL"),
    "an issuer that is no text": (lambda: OAuthServer(7, protects=[API]), "issuer must be text"),  # type: ignore[arg-type]
    "a query": (lambda: OAuthServer(f"{ISSUER}?a=b", protects=[API]), "issuer must not hold a query"),
    "a document": (
        lambda: OAuthServer("https://a.example/.well-known/openid-configuration", protects=[API]),
        "issuer is the URL of a metadata document",
    ),
    "nothing protected": (lambda: server(protects=[]), "protects is empty"),
    "one URL": (lambda: server(protects=API), "protects must be a list of URLs"),
    "an http API": (lambda: server(protects=["http://api.example"]), "protects is http://api.example"),
    "a scope with quotes": (lambda: server(scope='a "b"'), "scope has"),
    "a scope that is none": (lambda: server(scope=7), "scope must be"),
    "a resource that is relative": (lambda: server(resource="/api"), "resource has '/api'"),
    "a resource with a fragment": (lambda: server(resource=["https://a.example/#b"]), "resource has"),
    "an audience": (lambda: server(audience=["a"]), "audience must be text"),
    "a statement that is none": (lambda: server(software_statement="eyJ"), "The software statement is not a JWT"),
    "a token with a blank": (lambda: server(initial_access_token="a b"), "initial_access_token must be printable"),
    "a token that is none": (lambda: server(initial_access_token=7), "initial_access_token must be text"),
    "metadata that is a list": (lambda: server(client_metadata=[]), "client_metadata must be a mapping"),
    "metadata with a method": (
        lambda: server(client_metadata={"token_endpoint_auth_method": "none"}),
        "client_metadata must not hold token_endpoint_auth_method: give client_authentication",
    ),
    "metadata with two ways to a key": (
        lambda: server(client_metadata={"jwks": {"keys": []}, "jwks_uri": "https://me.example"}),
        "client_metadata must not hold both jwks and jwks_uri: leave one of them out",
    ),
    "metadata that is no JSON": (lambda: server(client_metadata={"a": object()}), "cannot be written as JSON"),
    "metadata with a NaN": (lambda: server(client_metadata={"a": [float("nan")]}), "cannot be written as JSON"),
    "metadata with an infinity": (lambda: server(client_metadata={"a": float("inf")}), "cannot be written as JSON"),
    "a resource with a bracket": (lambda: server(resource="http://["), "resource has 'http://['"),
    "a later resource with a bracket": (lambda: server().for_resource("http://[x"), "resource has 'http://[x'"),
    "a certificate with two subjects": (
        lambda: MutualTLS(metadata={"tls_client_auth_san_dns": "a", "tls_client_auth_subject_dn": "CN=a"}),
        "metadata of MutualTLS has tls_client_auth_san_dns and tls_client_auth_subject_dn: give one of them",
    ),
    "a certificate with two keys": (
        lambda: MutualTLS("self_signed_tls_client_auth", {"jwks": {"keys": []}, "jwks_uri": "https://me.example"}),
        "metadata of MutualTLS has jwks and jwks_uri: give one of them",
    ),
    "metadata of a certificate": (
        lambda: MutualTLS(metadata={"jwks": b""}),
        "metadata of MutualTLS holds a value that cannot be written as JSON",
    ),
    "metadata of a signer": (
        lambda: server(client_authentication=Own({"jwks": b""})),
        "metadata of the client_authentication holds a value that cannot be written as JSON",
    ),
    "metadata that are none": (lambda: server(client_authentication=Own(7)), "metadata of the client_authentication"),
    "metadata that fail": (
        lambda: server(client_authentication=Own(RuntimeError(STATEMENT))),
        "client_authentication does not say what it is: RuntimeError",
    ),
    "a list for a method": (lambda: ClientSecret([]), "ClientSecret takes"),  # type: ignore[arg-type]
    "a list for an algorithm": (lambda: ClientSecretJWT([]), "ClientSecretJWT takes"),  # type: ignore[arg-type]
    "a list for a certificate": (lambda: MutualTLS([]), "MutualTLS takes"),  # type: ignore[arg-type]
    "parameters with a grant": (
        lambda: server(token_parameters={"grant_type": "password"}),
        "token_parameters must not hold grant_type",
    ),
    "a parameter that is a number": (lambda: server(token_parameters={"udap": 1}), "'udap' in token_parameters"),
    "a method by name": (
        lambda: server(client_authentication="private_key_jwt"),
        "client_authentication must be an object such as ClientSecret()",
    ),
    "an unknown method": (lambda: ClientSecret("jwt"), 'ClientSecret takes "basic" or "post"'),  # type: ignore[arg-type]
    "a class": (lambda: server(client_authentication=ClientSecret), "write ClientSecret(…)"),
    "repeats": (lambda: server(repeats="never"), "repeats must be one of new, refused, updates"),
    "an empty application": (lambda: server(application=""), "application is empty"),
    "an application": (lambda: server(application=7), "application must be text"),
    "a client and a statement": (
        lambda: server(client=CLIENT, software_statement=STATEMENT),
        "A client that is given is not registered: leave out client or software_statement",
    ),
    "a client and an endpoint": (lambda: placed(client=CLIENT), "leave out client or registration_endpoint"),
    "a client that is a pair": (lambda: server(client=("id", "secret")), "client must be ClientCredentials"),
    "a client without a secret": (lambda: server(client=ClientCredentials("id", None)), "client has no client_secret"),
    "a client that Basic cannot carry": (
        lambda: server(
            client=ClientCredentials("i:d", "very-secret"), client_authentication=ClientSecret(raw_basic=True)
        ),
        "client has an id with a colon, at which raw Basic ends: leave out raw_basic, or give ClientSecret('post')",
    ),
    "a client without an id": (lambda: server(client=ClientCredentials("", "s")), "client must have a client_id"),
    "a function without a name": (lambda: server(client=lambda: CLIENT), "application must be given"),
    "a later scope": (lambda: server().for_scope('"'), "scope has"),
    "a later resource": (lambda: server().for_resource("api"), "resource has 'api'"),
    "a later audience": (lambda: server().for_audience(7), "audience must be text"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_said_where_it_was_given(case: str) -> None:
    """Each wrong argument is a ConfigurationError of one sentence, which names it and quotes no secret."""
    make, told = WRONG[case]
    with pytest.raises(ConfigurationError) as caught:
        make()
    assert told in caught.value.message
    assert "\n" not in caught.value.message
    assert STATEMENT not in caught.value.message


def test_an_async_function_is_refused() -> None:
    """What would have to be awaited can give no client: it is called where nothing can be awaited."""

    async def client() -> ClientCredentials:
        return CLIENT

    with pytest.raises(ConfigurationError, match="a plain one"):
        server(client=client, application="a")


def test_a_client_is_registered_where_the_issuer_says() -> None:
    """The issuer is asked, then the client is registered, and what was found is kept."""
    made = server(scope="b a", initial_access_token="initial", software_statement=STATEMENT)
    result, sent = drive(made.register(moment()), metadata(), REGISTERED)
    assert [(each.method, each.url) for each in sent] == [
        ("GET", "https://issuer.example/.well-known/oauth-authorization-server/tenant"),
        ("POST", "https://issuer.example/register"),
    ]
    assert [each.registers for each in sent] == [False, True]
    assert [each.repeatable for each in sent] == [True, False]
    assert sent[1].headers["Authorization"] == "Bearer initial"
    assert json.loads(sent[1].body) == {
        "grant_types": ["client_credentials"],
        "response_types": [],
        "redirect_uris": [],
        "scope": "a b",
        "software_statement": STATEMENT,
    }
    assert (result.value.client_id, result.value.client_secret) == ("id", "secret")
    assert result.kept is not None
    assert result.kept["metadata"] == METADATA


def test_nothing_empty_is_sent() -> None:
    """A member without a value is left out: servers refuse null, and an empty scope."""
    _, sent = drive(placed(client_metadata={"client_name": None, "client_uri": ""}).register(moment()), REGISTERED)
    assert set(json.loads(sent[0].body)) == {"grant_types", "response_types", "redirect_uris"}


def test_metadata_take_the_place_of_what_is_usual() -> None:
    """What the user says of the client goes before what is sent otherwise, such as a redirect URI that is wanted."""
    made = placed(client_metadata={"redirect_uris": ["https://a.example"], "software_id": "app"})
    _, sent = drive(made.register(moment()), REGISTERED)
    assert json.loads(sent[0].body)["redirect_uris"] == ["https://a.example"]
    assert made.application == "app"


@pytest.mark.parametrize("own", [{"jwks_uri": "https://me.example/jwks"}, {"jwks": {"keys": []}}], ids=["uri", "keys"])
def test_a_key_is_registered_in_one_way(own: dict[str, Any]) -> None:
    """Where the user says where the key is, it is not sent as well: a registration never has both (RFC 7591 §2)."""
    made = placed(client_metadata=own, client_authentication=PrivateKeyJWT(KEY))
    _, sent = drive(made.register(moment()), REGISTERED)
    body = json.loads(sent[0].body)
    assert {name: body[name] for name in ("jwks", "jwks_uri") if name in body} == own


@pytest.mark.parametrize(
    ("answers", "urls"),
    [
        ([answer(404), metadata()], 2),
        ([answer(200, b"<html>"), answer(404), metadata()], 3),
        ([answer(200, b'{"issuer": "htt'), metadata()], 2),
        ([answer(200, {}), metadata()], 2),
        ([answer(200, []), metadata()], 2),
        ([answer(302, location="https://elsewhere.example"), metadata()], 2),
        ([answer(200, {"issuer": ISSUER}), metadata()], 2),
        ([ServerUnavailable("too large", status=200), metadata()], 2),
    ],
    ids=["missing", "html", "cut", "empty", "list", "redirect", "no endpoint", "too large"],
)
def test_the_next_place_is_looked_at(answers: list[Any], urls: int) -> None:
    """What is no whole document at one of the places says nothing about the others, and is not kept."""
    result, sent = drive(server().register(moment()), *answers, REGISTERED)
    assert isinstance(result.value, ClientCredentials)
    assert len(sent) == urls + 1


@pytest.mark.parametrize(
    ("found", "told", "means"),
    [
        ([answer(404)] * 3, "HTTP 404", Meaning.TRANSIENT),
        ([answer(200, {})] * 3, "no issuer at all", Meaning.TRANSIENT),
        ([answer(503)] * 3, "HTTP 503", Meaning.TRANSIENT),
        ([answer(429, retry_after="7")], "HTTP 429", Meaning.THROTTLED),
        ([NO_ANSWER], "there was no answer", Meaning.TRANSIENT),
        (
            [metadata(issuer=f"{ISSUER}/")] * 3,
            f"that of {ISSUER}/, not of {ISSUER}; they differ by a slash",
            Meaning.REJECTED,
        ),
        ([metadata(issuer="https://other.example")] * 3, "that of https://other.example", Meaning.REJECTED),
        ([metadata(token_endpoint="http://a.example/t")] * 3, "token_endpoint is http://a.example", Meaning.REJECTED),
        ([metadata(token_endpoint="http://127.0.0.1/t")] * 3, "an endpoint without https", Meaning.REJECTED),
        ([metadata(registration_endpoint=None)], "names no registration_endpoint", Meaning.REJECTED),
    ],
    ids=["404", "empty", "503", "429", "silence", "slash", "another", "http", "loopback", "no registration"],
)
def test_a_failed_discovery_says_why(found: list[Any], told: str, means: Meaning) -> None:
    """Without metadata nothing is registered; what a server says for good is a refusal, all else is tried again."""
    result, _ = drive(server().register(moment()), *found)
    problem = problem_of(result)
    assert told in problem.reason
    assert meaning(problem) is means
    assert result.kept is None or "metadata" in result.kept


def kept_by(made: OAuthServer) -> dict[str, Any]:
    """What a flow keeps."""
    result, _ = drive(made.fetch_token(CLIENT, moment()), metadata(), GRANT)
    assert isinstance(result.value, TokenGrant)
    return dict(result.kept or {})


def test_what_is_kept_is_not_asked_for_again() -> None:
    """A later flow goes to the endpoint that an earlier one has found, without a question."""
    kept = kept_by(server())
    assert json.loads(json.dumps(kept)) == kept
    result, sent = drive(server().fetch_token(CLIENT, moment(kept)), GRANT)
    assert [each.url for each in sent] == [METADATA["token_endpoint"]]
    assert result.kept == kept


@pytest.mark.parametrize("gone", [answer(404), answer(410), NO_ANSWER], ids=["404", "410", "silence"])
def test_the_issuer_is_asked_again_where_an_endpoint_is_gone(gone: Any) -> None:
    """The next attempt asks where the endpoint is now, and goes there; nothing is sent twice in one attempt."""
    kept = kept_by(server())
    result, sent = drive(server().fetch_token(CLIENT, moment(kept)), gone)
    assert len(sent) == 1
    assert meaning(problem_of(result)) is Meaning.TRANSIENT
    moved = metadata(token_endpoint="https://new.example/token")
    after, sent = drive(server().fetch_token(CLIENT, moment(result.kept)), moved, GRANT)
    assert [each.method for each in sent] == ["GET", "POST"]
    assert sent[1].url == "https://new.example/token"
    assert after.kept is not None
    assert "doubtful" not in after.kept


@pytest.mark.parametrize(
    "down", [[NO_ANSWER], [answer(404)] * 3, [answer(200, {})] * 3], ids=["silence", "404", "empty"]
)
def test_what_is_kept_serves_while_the_issuer_says_nothing(down: list[Any]) -> None:
    """A failed discovery stops no program that knows the endpoints; when they answer again, they are trusted again."""
    kept = {**kept_by(server()), "doubtful": True}
    result, sent = drive(server().fetch_token(CLIENT, moment(kept)), *down, GRANT)
    assert isinstance(result.value, TokenGrant)
    assert sent[-1].url == METADATA["token_endpoint"]
    assert result.kept is not None
    assert "doubtful" not in result.kept


@pytest.mark.parametrize(
    "change", [{"issuer": "https://other.example"}, {"kinds": []}, {"metadata": {}}, {"metadata": 1}]
)
def test_what_another_has_kept_is_not_used(change: dict[str, Any]) -> None:
    """Endpoints that were found in another way, or for another issuer, or are damaged, are found anew."""
    kept = {**kept_by(server()), **change}
    _, sent = drive(server().fetch_token(CLIENT, moment(kept)), metadata(), GRANT)
    assert len(sent) == 2


def test_endpoints_that_are_given_win() -> None:
    """An endpoint that is given takes the place of what the issuer says; with both nobody is asked."""
    made = server(token_endpoint="https://mine.example/token")
    _, sent = drive(made.register(moment()), metadata(), REGISTERED)
    assert len(sent) == 2
    made = server(token_endpoint="https://mine.example/token", registration_endpoint="https://mine.example/register")
    _, sent = drive(made.fetch_token(CLIENT, moment()), GRANT)
    assert [each.url for each in sent] == ["https://mine.example/token"]
    assert (made.token_url, made.register_url, made.keeps) == (sent[0].url, "https://mine.example/register", False)


def test_a_certificate_has_endpoints_of_its_own() -> None:
    """A client with a certificate calls the endpoints that the server has for those."""
    aliases = {"token_endpoint": "https://mtls.example/token"}
    made = server(client_authentication=MutualTLS(metadata={"tls_client_auth_san_dns": "a.example"}))
    _, sent = drive(made.fetch_token(CLIENT, moment()), metadata(mtls_endpoint_aliases=aliases), GRANT)
    assert sent[1].url == "https://mtls.example/token"
    assert form_of(sent[1]) == {"grant_type": ["client_credentials"], "client_id": ["id"]}


@pytest.mark.parametrize("bound", [True, False])
def test_bound_tokens_come_from_the_endpoints_for_a_certificate(bound: bool) -> None:
    """Tokens that are to be bound to a certificate are asked for where that is shown (RFC 8705 §5), by a secret too."""
    aliases = {"token_endpoint": "https://mtls.example/token", "registration_endpoint": "https://mtls.example/register"}
    made = server(client_metadata={"tls_client_certificate_bound_access_tokens": bound})
    result, sent = drive(made.register(moment()), metadata(mtls_endpoint_aliases=aliases), REGISTERED)
    _, later = drive(made.fetch_token(CLIENT, moment(result.kept)), GRANT)
    assert [each.url.startswith("https://mtls.example/") for each in (sent[1], later[0])] == [bound, bound]


@pytest.mark.parametrize(
    ("known", "asked_for"),
    [
        (None, None),
        (["client_secret_post"], "client_secret_post"),
        (["client_secret_post", "client_secret_basic"], "client_secret_basic"),
        (["private_key_jwt"], None),
    ],
    ids=["unsaid", "post", "both", "neither"],
)
def test_the_method_is_one_that_the_server_knows(known: list[str] | None, asked_for: str | None) -> None:
    """Unless told otherwise, a client asks for a method that the metadata name, and uses it if nothing is answered."""
    document = metadata(token_endpoint_auth_methods_supported=known)
    result, sent = drive(server().register(moment()), document, REGISTERED)
    assert json.loads(sent[1].body).get("token_endpoint_auth_method") == asked_for
    _, sent = drive(server().fetch_token(result.value, moment(result.kept)), GRANT)
    assert ("client_secret" in form_of(sent[0])) == (asked_for == "client_secret_post")
    assert ("Authorization" in sent[0].headers) == (asked_for != "client_secret_post")


def test_the_answer_rules() -> None:
    """The method that the answer names is used, whatever was asked for."""
    made = placed(client_authentication=ClientSecret("basic"))
    post = answer(201, {"client_id": "id", "client_secret": "s", "token_endpoint_auth_method": "client_secret_post"})
    result, sent = drive(made.register(moment()), post)
    assert json.loads(sent[0].body)["token_endpoint_auth_method"] == "client_secret_basic"
    _, sent = drive(made.fetch_token(result.value, moment()), GRANT)
    assert form_of(sent[0])["client_secret"] == ["s"]
    assert "Authorization" not in sent[0].headers


@pytest.mark.parametrize(
    ("answered", "asked_for"),
    [
        ({"scope": "read other"}, ["read"]),
        ({"scope": "write read"}, ["read write"]),
        ({"scope": ""}, ["read write"]),
        ({"scope": ["read"]}, ["read write"]),
        ({}, ["read write"]),
        ({"scope": "other"}, ["read write"]),
    ],
    ids=["some", "all", "empty", "no text", "unsaid", "none"],
)
def test_only_granted_scopes_are_asked_for(answered: dict[str, Any], asked_for: list[str]) -> None:
    """A token is asked for with what the registration was granted; with all where that is nothing, to be told why."""
    made = placed(scope="read write")
    result, _ = drive(made.register(moment()), answer(201, {**PAIR, **answered}))
    _, sent = drive(made.fetch_token(result.value, moment()), GRANT)
    assert form_of(sent[0])["scope"] == asked_for
    assert made.token_key == placed(scope="read write").token_key


def test_an_update_that_says_nothing_of_the_scope_leaves_it() -> None:
    """What was granted holds until the server says otherwise."""
    made = placed(scope="a b")
    result, _ = drive(made.update(MANAGED, moment()), answer(200, {"client_id": "id", "client_secret": "another"}))
    _, sent = drive(made.fetch_token(result.value, moment()), GRANT)
    assert form_of(sent[0])["scope"] == ["a"]


REFUSED = answer(401, {"error": "invalid_client"})


@pytest.mark.parametrize("made", [ClientSecretJWT(), MutualTLS()], ids=["a signature", "a certificate"])
def test_a_client_that_signs_and_was_registered_for_something_else(made: Any) -> None:
    """The refusal names both methods: nobody has to look for a wrong key, clock or audience."""
    fields = {"client_id": "id", "client_secret": "s" * 40, "token_endpoint_auth_method": "client_secret_post"}
    known = placed(client_authentication=made)
    result, _ = drive(known.register(moment()), answer(201, fields))
    refused, _ = drive(known.fetch_token(result.value, moment()), REFUSED)
    assert f"for client_secret_post, and its client_authentication is {made.auth_method}" in problem_of(refused).reason
    assert problem_of(refused).error == "invalid_client"
    later, _ = drive(known.fetch_token(result.value, moment()), answer(503))
    assert "client_secret_post" not in problem_of(later).reason


@pytest.mark.parametrize("known", [None, ["ES256", "PS256"], ["PS256", "RS256"]])
def test_a_signature_by_an_algorithm_that_the_server_does_not_take(known: Any) -> None:
    """A refusal says so, where the server's metadata do: the key may be right."""
    made = server(client_authentication=PrivateKeyJWT(KEY))
    refusal = answer(401, {"error": "invalid_client"})
    said = metadata(token_endpoint_auth_signing_alg_values_supported=known)
    result, _ = drive(made.fetch_token(CLIENT, moment()), said, refusal)
    told = "the server takes assertions signed by PS256, RS256, and these are signed by ES256"
    assert (told in problem_of(result).reason) is (known == ["PS256", "RS256"])


@pytest.mark.parametrize(
    ("by", "known", "told"),
    [
        (None, ["private_key_jwt"], "the server knows private_key_jwt, and client_authentication is ClientSecret"),
        (None, ["private_key_jwt", "client_secret_post"], None),
        (None, None, None),
        ("post", ["client_secret_basic"], "the server knows client_secret_basic, and client_authentication is"),
        ("key", ["client_secret_basic"], "the server knows client_secret_basic, and client_authentication is Private"),
        ("key", ["private_key_jwt"], "the server takes assertions signed by PS256, and these are signed by ES256"),
    ],
)
def test_a_refused_registration_for_a_method_that_the_server_does_not_know(by: Any, known: Any, told: Any) -> None:
    """A refusal says so, where the server's metadata do."""
    made = server(client_authentication=PrivateKeyJWT(KEY) if by == "key" else ClientSecret(by))
    said = metadata(
        token_endpoint_auth_methods_supported=known, token_endpoint_auth_signing_alg_values_supported=["PS256"]
    )
    result, _ = drive(made.register(moment()), said, answer(400, {"error": "invalid_client_metadata"}))
    reason = problem_of(result).reason
    assert reason == "HTTP 400, invalid_client_metadata" if told is None else told in reason


def test_a_refusal_of_a_certificate_says_where_it_is() -> None:
    """Whoever has none, or another one, reads which one is shown."""
    made = server(client_authentication=MutualTLS())
    result, _ = drive(made.fetch_token(CLIENT, moment()), metadata(), answer(401, {"error": "invalid_client"}))
    assert "by the certificate of the transport (client_certificate=…): see that" in problem_of(result).reason


@pytest.mark.parametrize("answered", ["tls_client_auth", "self_signed_tls_client_auth"])
def test_either_way_of_a_certificate_is_that(answered: str) -> None:
    """The certificate is shown all the same, so that a refusal has another reason."""
    known = placed(client_authentication=MutualTLS())
    client = replaced(CLIENT, metadata={"token_endpoint_auth_method": answered})
    assert "registered" not in problem_of(drive(known.fetch_token(client, moment()), REFUSED)[0]).reason


@pytest.mark.parametrize("by", [None, ClientSecret("post")], ids=["any", "post"])
@pytest.mark.parametrize("answered", ["private_key_jwt", "tls_client_auth"])
def test_a_secret_does_not_do_for_a_client_that_is_to_sign(by: Any, answered: str) -> None:
    """Nothing is sent, since the refusal would condemn the client; the error names both methods."""
    known = placed(client_authentication=by)
    client = replaced(CLIENT, metadata={"token_endpoint_auth_method": answered})
    with pytest.raises(ConfigurationError, match=f"for {answered}, and its client_authentication is client_secret_"):
        drive(known.fetch_token(client, moment()))


def registered(fields: dict[str, Any], status: int = 201, **options: Any) -> ClientCredentials | Problem:
    result, _ = drive(placed(**options).register(moment()), answer(status, fields))
    found: ClientCredentials | Problem = result.value
    return found


PAIR = {"client_id": "id", "client_secret": "secret"}


@pytest.mark.parametrize("status", [200, 201, 202])
def test_any_success_registers(status: int) -> None:
    """Null, "" and absent are alike, the rest of the answer is kept, and any status of success will do."""
    found = registered({**PAIR, "client_uri": None, "scope": "", "odd": 7, "client_secret_expires_at": None}, status)
    assert isinstance(found, ClientCredentials)
    assert dict(found.metadata) == {"odd": 7}
    assert found.expires_at is None


def test_the_end_of_a_secret_may_be_a_text() -> None:
    """Servers write the moment as a text of digits as well."""
    found = registered({**PAIR, "client_secret_expires_at": "2000000"})
    assert isinstance(found, ClientCredentials)
    assert found.expires_at == 2_000_000.0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({}, "no usable client_id"),
        ({"client_id": None, "client_secret": "s"}, "no usable client_id"),
        ({"client_id": "", "client_secret": "s"}, "no usable client_id"),
        ({"client_id": 7, "client_secret": "s"}, "no usable client_id"),
        ({"client_id": "id", "client_secret": "\n"}, "no usable client_id"),
        ({"client_id": "id"}, "no client_secret"),
        ({**PAIR, "client_secret_expires_at": int(NOW)}, "a client_secret that has ended already"),
    ],
)
def test_an_answer_that_cannot_be_used(fields: dict[str, Any], told: str) -> None:
    """A success without what a client needs is a problem: it has made a client all the same."""
    found = registered(fields)
    assert isinstance(found, Problem)
    assert told in found.reason
    assert found.status == 201


def test_a_secret_ends_by_the_servers_clock() -> None:
    """Where this machine's clock is ahead, a secret that the server has just made has not ended for that."""
    ending = answer(201, {**PAIR, "client_secret_expires_at": int(NOW) - 100}, date="Mon, 12 Jan 1970 13:00:00 GMT")
    result, _ = drive(placed().register(moment()), ending)
    assert isinstance(result.value, ClientCredentials)


def test_a_client_may_have_no_secret() -> None:
    """A client that proves itself by a certificate is one without a secret."""
    found = registered({"client_id": "id"}, client_authentication=MutualTLS())
    assert isinstance(found, ClientCredentials)
    assert found.client_secret is None


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("/register/id?a=b", "https://issuer.example/register/id?a=b"),
        ("https://issuer.example/manage/id", "https://issuer.example/manage/id"),
        ("https://elsewhere.example/register/id", None),
        ("//elsewhere.example/register/id", None),
        ("http://issuer.example/register/id", None),
        ("https://[", None),
        (7, None),
    ],
)
def test_a_client_is_managed_at_its_server_only(given: object, used: str | None) -> None:
    """The URL that manages a client may be relative; of another origin than the registration's it is not used."""
    found = registered({**PAIR, "registration_client_uri": given, "registration_access_token": "t"})
    assert isinstance(found, ClientCredentials)
    assert found.metadata.get("registration_client_uri") == used
    assert (placed().confirm(found, moment()) is None) == (used is None)


@pytest.mark.parametrize(
    ("response", "code"),
    [
        (answer(401, www_authenticate='Bearer realm="r", error="invalid_token"'), "invalid_token"),
        (answer(401, www_authenticate="Bearer"), "invalid_token"),
        (answer(401), "invalid_token"),
        (answer(403, www_authenticate='Bearer error="insufficient_scope"'), "insufficient_scope"),
        (answer(400, {"error": "access_denied"}), "access_denied"),
        (answer(400, {"error": "invalid_software_statement"}), "invalid_software_statement"),
    ],
    ids=["challenge", "bare", "nothing", "scope", "denied", "statement"],
)
def test_a_refused_registration_is_the_last_word(response: Response, code: str) -> None:
    """A registration that is not allowed is a refusal for good, also where the code is in a header or nowhere."""
    result, _ = drive(placed(initial_access_token="initial").register(moment()), response)
    problem = problem_of(result)
    assert (problem.error, meaning(problem)) == (code, Meaning.REJECTED)


@pytest.mark.parametrize("response", [answer(403), answer(403, {"error": "Forbidden"}), answer(500), answer(404)])
def test_what_a_gateway_says_is_not(response: Response) -> None:
    """What is no OAuth error says nothing for good."""
    result, _ = drive(placed().register(moment()), response)
    assert meaning(problem_of(result)) is Meaning.TRANSIENT


def test_functions_are_called_at_need() -> None:
    """A statement and a token that are made by functions are made for each registration, and not before."""
    made: list[str] = []

    def statement() -> str:
        made.append("statement")
        return STATEMENT

    def token() -> str:
        made.append("token")
        return f"token-{len(made)}"

    provider = placed(software_statement=statement, initial_access_token=token)
    assert (made, provider.statement_digest) == ([], provider.statement_digest)
    _, sent = drive(provider.register(moment()), REGISTERED)
    assert made == ["statement", "token"]
    assert sent[0].headers["Authorization"] == "Bearer token-2"
    assert json.loads(sent[0].body)["software_statement"] == STATEMENT


@pytest.mark.parametrize("what", ["software_statement", "initial_access_token"])
def test_a_function_that_fails_sends_nothing(what: str) -> None:
    """Where one of them fails, nothing is sent, and the message tells neither what it said nor what it knew."""

    def fail() -> str:
        raise RuntimeError("the secret")

    result, sent = drive(placed(**{what: fail}).register(moment()))
    problem = problem_of(result)
    assert sent == []
    assert problem.reason == f"What gives the {what} has failed with RuntimeError"
    assert meaning(problem) is Meaning.TRANSIENT


def test_a_token_is_asked_for_with_all_that_it_is_for() -> None:
    """Scopes, resources, audience and further parameters are in the form, and the secret is in the header alone."""
    made = placed(scope="b a", resource=["https://b.example", "https://a.example"], audience="x")
    _, sent = drive(made.fetch_token(CLIENT, moment()), GRANT)
    assert form_of(sent[0]) == {
        "grant_type": ["client_credentials"],
        "scope": ["a b"],
        "resource": ["https://a.example", "https://b.example"],
        "audience": ["x"],
    }
    assert sent[0].headers["Authorization"].startswith("Basic ")
    assert (sent[0].endpoint, sent[0].repeatable) == ("https://tokens.example/token", True)
    _, sent = drive(placed(token_parameters={"udap": "1"}).fetch_token(CLIENT, moment()), GRANT)
    assert form_of(sent[0]) == {"grant_type": ["client_credentials"], "udap": ["1"]}


def test_each_attempt_has_an_assertion_of_its_own() -> None:
    """What is signed has the chance of its moment in it, and the server's time, and is made for the issuer."""
    made = server(client_authentication=ClientSecretJWT())
    client = replaced(CLIENT, client_secret="a-secret-of-thirty-two-characters")
    _, sent = drive(made.fetch_token(client, moment(skew=600.0)), metadata(), GRANT)
    claims = jwt_claims(form_of(sent[1])["client_assertion"][0])
    assert (claims["aud"], claims["jti"]) == (ISSUER, ("01" * 32))
    assert claims["iat"] < NOW - 600.0 < claims["exp"] < NOW
    assert made.condemns is False


@pytest.mark.parametrize(
    ("response", "code", "means"),
    [
        (answer(401, {"error": "invalid_client"}, www_authenticate="Basic"), "invalid_client", Meaning.CLIENT_REJECTED),
        (answer(400, {"error": "invalid_client"}), "invalid_client", Meaning.CLIENT_REJECTED),
        (
            answer(401, www_authenticate='Basic realm="r", error="invalid_client"'),
            "invalid_client",
            Meaning.CLIENT_REJECTED,
        ),
        (answer(401, www_authenticate='Bearer error="invalid_client"'), "invalid_client", Meaning.CLIENT_REJECTED),
        (answer(401, www_authenticate="Basic"), None, Meaning.TRANSIENT),
        (answer(400, {"error": {"code": "invalid_client"}}), None, Meaning.TRANSIENT),
        (answer(400, {"error": "invalid_scope"}), "invalid_scope", Meaning.REJECTED),
        (answer(400, {"error": "invalid_target"}), "invalid_target", Meaning.REJECTED),
        (answer(200, {"error": "invalid_client"}), "invalid_client", Meaning.TRANSIENT),
        (answer(200, {"access_token": "a b"}), None, Meaning.TRANSIENT),
        (answer(200, {"access_token": "t", "token_type": "DPoP"}), None, Meaning.REJECTED),
        (answer(429, retry_after="7"), None, Meaning.THROTTLED),
        (answer(503, {"error": "invalid_client"}), "invalid_client", Meaning.TRANSIENT),
    ],
)
def test_what_a_refused_token_means(response: Response, code: str | None, means: Meaning) -> None:
    """Only an OAuth error says no for good; a gateway's 401 condemns no client."""
    result, _ = drive(placed().fetch_token(CLIENT, moment()), response)
    problem = problem_of(result)
    assert (problem.error, meaning(problem)) == (code, means)


@pytest.mark.parametrize("kind", [None, "", "bearer", "Bearer", "BEARER"])
def test_a_token_is_a_bearer_token(kind: str | None) -> None:
    """However the type is written, or if it is left out."""
    granted = answer(200, {"access_token": "t", "token_type": kind, "expires_in": "60", "scope": "less"})
    result, _ = drive(placed().fetch_token(CLIENT, moment()), granted)
    assert (result.value.value, result.value.expires_in) == ("t", "60")


def test_the_order_of_scopes_says_nothing() -> None:
    """Tokens are told apart by what they are asked for with, and by nothing else."""
    made = server()
    assert made.token_key == ""
    assert {made.for_scope(each).token_key for each in ("a b", "b a", ["a", "b", "a"])} == {
        server(scope="a b").token_key
    }
    others = [
        made.for_scope("a"),
        made.for_resource("https://a.example"),
        made.for_audience("a"),
        made.for_scope("a b"),
    ]
    assert len({each.token_key for each in others} | {server(token_parameters={"a": "b"}).token_key}) == 5
    assert made.for_scope("a").for_scope("").token_key == ""


def test_a_token_of_another_scope_is_one_of_the_same_client() -> None:
    """The anchor, the application and what is registered are the same for all tokens of a client."""
    made = server(scope="a b")
    other = made.for_scope("a")
    assert (other.anchor, other.statement_digest) == (made.anchor, made.statement_digest)
    _, sent = drive(other.register(moment()), metadata(), REGISTERED)
    assert json.loads(sent[1].body)["scope"] == "a b"
    _, sent = drive(other.fetch_token(CLIENT, moment()), metadata(), GRANT)
    assert form_of(sent[1])["scope"] == ["a"]


def test_what_is_given_is_copied_whole() -> None:
    """A list within the metadata that is changed later changes neither what is registered nor its digest."""
    given: dict[str, Any] = {"contacts": ["a"], "nested": {"b": [1]}}
    certificate: dict[str, Any] = {"jwks": {"keys": []}}
    made = placed(client_metadata=given, client_authentication=MutualTLS("self_signed_tls_client_auth", certificate))
    before = made.statement_digest
    given["contacts"].append("c")
    given["nested"]["b"].append(2)
    certificate["jwks"]["keys"].append("key")
    _, sent = drive(made.register(moment()), REGISTERED)
    body = json.loads(sent[0].body)
    assert (body["contacts"], body["nested"], body["jwks"]) == (["a"], {"b": [1]}, {"keys": []})
    assert made.statement_digest == before


def test_what_tells_clients_apart() -> None:
    """The issuer, or both endpoints, and the application; it is the software's id, or what is said of it."""
    assert server(software_statement=STATEMENT).anchor == ("oauth", ISSUER, "app")
    assert server(software_statement=STATEMENT, application="mine").anchor == ("oauth", ISSUER, "mine")
    endpoints = ("oauth", METADATA["registration_endpoint"], METADATA["token_endpoint"])
    assert placed(application="mine").anchor == (*endpoints, "mine")
    assert server().application != server(client_metadata={"client_name": "b"}).application
    assert server(scope="a").application == server(scope=["a"], resource="https://a.example").application
    assert server().application == server(client_authentication=ClientSecret("post")).application
    assert server(software_statement=lambda: STATEMENT).application == server().application


def test_a_refused_registration_is_tried_again_with_another_token() -> None:
    """What a refusal is remembered for is all that a registration shows."""
    shown = [
        server(),
        server(initial_access_token="a"),
        server(initial_access_token="b"),
        server(software_statement=STATEMENT),
        server(client_authentication=ClientSecret("post")),
    ]
    assert len({each.statement_digest for each in shown}) == len(shown)


def test_a_client_that_is_given_takes_the_place_of_the_instance() -> None:
    """Its id tells it apart, whatever the instance is called; one that a function gives is told by the application."""
    made = OAuthServer(token_endpoint="https://tokens.example/token", client=CLIENT, protects=[API])
    assert (made.given_id, made.given and made.given()) == ("id", CLIENT)
    assert made.register_url == made.token_url == "https://tokens.example/token"
    assert made.keeps is False
    fetched = server(client=lambda: CLIENT, application="vault")
    assert (fetched.given_id, fetched.anchor[-1]) == (None, "vault")
    assert Identity.of(*made.anchor, "id").key != Identity.of(*made.anchor, "default").key


UPDATED = {"client_id": "id", "client_secret": "new", "client_secret_expires_at": 3_000_000, "scope": "a"}


def test_a_secret_is_renewed_by_an_update() -> None:
    """All metadata are sent but those that must not be, and what the answer does not say stays as it was."""
    result, sent = drive(
        placed().update(MANAGED, moment()), answer(200, {**UPDATED, "registration_access_token": "next"})
    )
    assert (sent[0].method, sent[0].url) == ("PUT", "https://issuer.example/register/id")
    assert sent[0].headers["Authorization"] == "Bearer token-of-the-client"
    assert json.loads(sent[0].body) == {"client_id": "id", "scope": "a"}
    assert (sent[0].registers, sent[0].repeatable) == (False, False)
    assert (result.value.client_secret, result.value.expires_at) == ("new", 3_000_000.0)
    assert result.value.metadata["registration_access_token"] == "next"
    assert result.value.metadata["registration_client_uri"] == "https://issuer.example/register/id"


def test_an_answer_without_a_secret_tells_none() -> None:
    """Its end stays as it was, and the engine keeps it; the token that manages the client may be another one."""
    result, _ = drive(
        placed().update(MANAGED, moment()), answer(200, {"client_id": "id", "registration_access_token": "n"})
    )
    assert (result.value.client_secret, result.value.expires_at) == (None, 2_000_000.0)
    assert result.value.metadata["registration_access_token"] == "n"


def test_a_new_secret_without_an_end_has_none() -> None:
    """The end of the former secret is not that of a new one."""
    result, _ = drive(placed().update(MANAGED, moment()), answer(200, {"client_id": "id", "client_secret": "new"}))
    assert result.value.expires_at is None


@pytest.mark.parametrize("status", [400, 403, 404, 405, 501])
def test_a_client_is_read_where_no_update_is_taken(status: int) -> None:
    """Some servers renew a secret when the client is read, and take no update, or not this one."""
    result, sent = drive(placed().update(MANAGED, moment()), answer(status), answer(200, UPDATED))
    assert [each.method for each in sent] == ["PUT", "GET"]
    assert result.value.client_secret == "new"


@pytest.mark.parametrize(
    ("response", "told"),
    [
        (answer(200, {**UPDATED, "client_id": "another"}), "another client_id"),
        (answer(200, b"<html>"), "no client"),
        (answer(200, {**UPDATED, "client_secret": "\n"}), "no usable client_secret"),
        (answer(401), "HTTP 401"),
        (answer(500), "HTTP 500"),
    ],
)
def test_an_update_that_brings_nothing(response: Response, told: str) -> None:
    """Whatever is not the same client leaves it as it is."""
    result, _ = drive(placed().update(MANAGED, moment()), response)
    assert told in problem_of(result).reason


def test_an_update_that_renews_nothing() -> None:
    """An answer that says what is known already is no news, and nothing is written for it."""
    same = {"client_id": "id", "client_secret": MANAGED.client_secret, **MANAGED.metadata}
    result, _ = drive(placed().update(MANAGED, moment()), answer(200, same))
    assert problem_of(result).reason == "the server has renewed nothing"


def test_a_client_is_read_and_deleted() -> None:
    """Both go to the client's own URL with its own token."""
    read, sent = drive(placed().confirm(MANAGED, moment()), answer(200, UPDATED))
    assert (read.value.client_secret, sent[0].method, sent[0].body) == ("new", "GET", b"")
    deleted, sent = drive(placed().unregister(MANAGED, moment()), answer(204))
    assert (deleted.value, sent[0].method) == (MANAGED, "DELETE")
    refused, _ = drive(placed().unregister(MANAGED, moment()), answer(405))
    assert problem_of(refused).status == 405
    assert sent[0].headers["Authorization"] == "Bearer token-of-the-client"


def test_a_client_that_nobody_said_how_to_manage() -> None:
    """Without a URL and a token there is nothing to call."""
    made = placed()
    assert made.update(CLIENT, moment()) is made.confirm(CLIENT, moment()) is made.unregister(CLIENT, moment()) is None


@pytest.mark.parametrize(
    ("challenge", "verdict"),
    [
        ({}, Verdict.TOKEN),
        ({"www-authenticate": 'Bearer error="invalid_token"'}, Verdict.TOKEN),
        ({"www-authenticate": 'Bearer error="insufficient_scope"'}, Verdict.APPLICATION),
        ({"www-authenticate": "Negotiate"}, Verdict.TOKEN),
    ],
)
def test_a_refusal_is_read_by_its_challenge(challenge: dict[str, str], verdict: Verdict) -> None:
    """No token helps where the scope is lacking; whatever else is challenged for may be mended by another one."""
    assert server().verdict(401, challenge, b"") is verdict


def test_nothing_secret_is_shown() -> None:
    """Neither the provider nor what it makes shows a statement, a token or a secret; what is quoted is left out."""
    made = placed(software_statement=SoftwareStatement(STATEMENT), initial_access_token="initial-access-token")
    _, sent = drive(made.register(moment()), REGISTERED)
    shown = f"{made!r} {sent[0]!r} {made.register!r}"
    assert STATEMENT not in shown
    assert "initial-access-token" not in shown
    quoted = Problem("refused", description="initial-access-token is not good")
    assert without_secrets(quoted, sent[0]).description == "*** is not good"
    _, sent = drive(placed().fetch_token(CLIENT, moment()), GRANT)
    quoted = Problem("refused", description="not secret-of-the-client")
    assert without_secrets(quoted, sent[0]).description == "not ***"


@pytest.mark.parametrize(
    ("uri", "is_managed"),
    [
        ("https://issuer.example/clients/1", True),
        ("https://issuer.example/clients?id=1", True),
        ("http://127.0.0.1:8080/clients/1", True),
        ("http://issuer.example/clients/1", False),
        ("ftp://issuer.example/clients/1", False),
        ("nonsense", False),
    ],
)
def test_a_client_is_managed_over_tls_alone(uri: str, is_managed: bool) -> None:
    """The URL may have been imported: neither a token nor a secret goes to one that others can listen to."""
    client = ClientCredentials(
        "id", "secret", metadata={"registration_client_uri": uri, "registration_access_token": "token"}
    )
    server = OAuthServer(ISSUER, protects=[API])
    for flow in (server.update, server.confirm, server.unregister):
        assert (flow(client, Moment(1_000.0)) is not None) is is_managed


def test_its_repr_says_what_its_tokens_are_for() -> None:
    """Two scopes of one server can be told apart in a log; of further parameters there are the names alone."""
    server = OAuthServer(ISSUER, protects=[API], scope="write read", token_parameters={"udap": "canary"})
    assert repr(server) == f"<OAuthServer at {ISSUER}, scope 'read write', parameters 'udap'>"
    other = server.for_scope("").for_resource("https://a.example").for_audience("me")
    assert repr(other._wanted) == "<Wanted: resource 'https://a.example', audience 'me', parameters 'udap'>"
    assert repr(OAuthServer(ISSUER, protects=[API])._wanted) == "<Wanted: nothing special>"
