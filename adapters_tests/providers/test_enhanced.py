"""Enhanced Errors for the caller: in every shape, in the response of every library, and nothing is read for it."""

from __future__ import annotations

import asyncio
import json
from dataclasses import FrozenInstanceError
from typing import Any

import aiohttp
import anyio
import httpx
import httpx2
import pytest
import requests

from adapters_tests.common.clients import KINDS, Kind
from dcrauth import ConfigurationError, EnhancedError, TokenSource
from dcrauth.providers.adobe.enhanced_error import enhanced_error, read_error
from dcrauth.providers.protocol import Response
from dcrauth.simulator import Behaviour, Fault, Simulator

FIELDS = {
    "action": "authentication",
    "status": 403,
    "code": "authenticated_profile_missing",
    "message": "Désolé : aucun profil",
    "details": "line one\r\n\x1b[31mline two",
    "helpUrl": "https://example.com/help?" + "a=b&" * 100,
    "trace": "12345-67890",
}
ERROR = EnhancedError(
    code="authenticated_profile_missing",
    action="authentication",
    status=403,
    message="Désolé : aucun profil",
    details="line one [31mline two",
    help_url=FIELDS["helpUrl"],
    trace="12345-67890",
)
XML = (
    "<error><action>authentication</action><status>403</status><code>authenticated_profile_missing</code>"
    "<message>D&#233;sol&eacute; : aucun\n profil</message><details>line one\r\n [31mline two</details>"
    f"<helpUrl>{FIELDS['helpUrl'].replace('&', '&amp;')}</helpUrl><trace>12345-67890</trace></error>"
)
OTHER_XML = "<resource><error><code>another</code><trace>other</trace></error></resource>"
ANOTHER = FIELDS | {"code": "another", "trace": "other"}
ALLOWED = {"resource": "a", "authorized": True}
REFUSED = {"resource": "b", "authorized": False}

SHAPES = {
    "flat": json.dumps(FIELDS),
    "nested": json.dumps({"error": FIELDS}),
    "nested under a word": json.dumps({"status": "FORBIDDEN", "error": FIELDS}),
    "list": json.dumps({"errors": [FIELDS, ANOTHER]}),
    "list with strangers": json.dumps({"errors": [None, "x", [], {}, FIELDS]}),
    "item": json.dumps({"decisions": [ALLOWED, REFUSED | {"error": FIELDS}, REFUSED | {"error": ANOTHER}]}),
    "item of v1": json.dumps({"resources": [ALLOWED, REFUSED | {"error": FIELDS}]}),
    "xml": f'<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n{XML}',
    "xml item": f"<resources><resource>{XML}</resource>{OTHER_XML}</resources>",
    "byte order mark": "\ufeff" + json.dumps(FIELDS),
    "beside a word": json.dumps(FIELDS | {"error": "Forbidden"}),
}


def answer(body: str | bytes, status: int = 403) -> Response:
    """An answer as a transport has it."""
    return Response(status, {}, body.encode() if isinstance(body, str) else body)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_error_is_found_in_every_shape(shape: str) -> None:
    """Wherever Adobe puts an Enhanced Error, all of its fields are found; of several, those of the first."""
    assert enhanced_error(answer(SHAPES[shape])) == ERROR


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize(
    ("status", "shape"), [(403, "flat"), (400, "list"), (200, "item"), (400, "item"), (200, "xml")]
)
def test_the_response_of_every_library_will_do(
    kind: Kind, source: TokenSource, adobe: Simulator, status: int, shape: str
) -> None:
    """A response as the caller has it, read, is all that is needed; the status that the body names is kept apart."""
    with kind.open(kind.auth(source)) as app:
        adobe.inject("api", Fault(status=status, body=SHAPES[shape].encode()))
        found = app.get(f"{adobe.url}/api/v2/REF30/decisions")
        assert found.status == status
        assert enhanced_error(found.native) == ERROR
        assert enhanced_error(app.get(f"{adobe.url}/api/v2/REF30/configuration").native) is None


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_401_that_is_the_users_matter_can_be_read(kind: Kind, source: TokenSource, adobe: Simulator) -> None:
    """A 401 that was passed on, and one that no renewal could mend, can be asked for their errors afterwards."""
    api = f"{adobe.url}/api/v2/REF30/configuration"
    with kind.open(kind.auth(source)) as app:
        for shape in ("flat", "xml", "item"):
            adobe.inject("api", Fault(status=401, body=SHAPES[shape].encode()))
            assert enhanced_error(app.get(api).native) == ERROR
        assert (adobe.counts.token, adobe.counts.api) == (1, 3)
        adobe.inject("api", Fault(status=401, body=b'{"code":"something_new","action":"none"}'), times=2)
        assert enhanced_error(app.get(api).native) == EnhancedError("something_new", "none")
        assert adobe.counts.api == 5


@pytest.mark.fault(
    "a 401 has an odd `WWW-Authenticate`, a damaged one, or none",
    "its body counts: one renewal, and the request is sent again",
)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
@pytest.mark.parametrize("refusals", ["bare", "v2"])
@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer realm="x", error="invalid_token", error_description="expired"',
        'Basic realm=x, Digest qop="auth", nonce=,,',
        '"=,\\' + "," * 2000 + "\xe9",
        "",
    ],
    ids=["bearer", "others", "garbage", "empty"],
)
def test_a_challenge_changes_nothing(
    kind: Kind, source: TokenSource, adobe: Simulator, refusals: Any, challenge: str
) -> None:
    """Whatever WWW-Authenticate says, or fails to say, a 401 is told by its body: renew once, send again."""
    api = f"{adobe.url}/api/v2/REF30/configuration"
    with kind.open(kind.auth(source)) as app:
        assert app.get(api).status == 200
        adobe.behaviour = Behaviour(refusals=refusals, www_authenticate=challenge)
        adobe.revoke_tokens()
        assert app.get(api).status == 200
    assert (adobe.counts.token, adobe.counts.api) == (2, 3)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"error":"access_denied"}', EnhancedError("access_denied", oauth=True)),
        ('{"code":"new_code","action":"new-action","more":[1]}', EnhancedError("new_code", "new-action")),
        ('{"code":"x","action":"none","status":200}', EnhancedError("x", "none", 200)),
        ('{"code":"x","status":true}', EnhancedError("x")),
        ('{"code":"x","status":"403"}', EnhancedError("x")),
        ('{"code":"x","status":' + "9" * 4000 + "}", EnhancedError("x")),
        ('{"code":5,"action":"none"}', EnhancedError(action="none")),
        ('{"code":"x\\r\\ny","action":"none"}', EnhancedError(action="none")),
        ("<error><code>x</code><status>4x3</status></error>", EnhancedError("x")),
        ("<error><code>x</code>", EnhancedError("x")),
    ],
)
def test_what_is_odd_is_left_out(body: str, expected: EnhancedError) -> None:
    """Unknown codes and actions are kept; a field that is not of its kind is as good as absent."""
    assert enhanced_error(answer(body)) == expected


@pytest.mark.parametrize(
    "body",
    [
        "",
        "[]",
        "<html><code>x</code></html>",
        "<error><message>x</message></error>",
        "</error><code>x</code><error>",
        '{"status":400,"message":"x"}',
        '{"error":null,"errors":{},"decisions":5,"resources":[5]}',
        '{"decisions":[{"authorized":true}]}',
        '{"error":{"code":"x"},"error":{"code":"y"}}',
        "[" * 100_000,
        b"\xff\xfe<\x00",
    ],
)
def test_where_there_is_no_error_there_is_none(body: str | bytes) -> None:
    """A body without an Enhanced Error, or one that says two things at once, gives None and never raises."""
    assert enhanced_error(answer(body)) is None


def test_a_code_of_a_session_is_no_error() -> None:
    """A success may have a code of its own at its root: the registration code of a session."""
    body = '{"actionName":"authenticate","actionType":"interactive","code":"8ER640M","sessionId":"1"}'
    assert enhanced_error(answer(body, 201)) is None
    assert enhanced_error(answer(body, 400)) == EnhancedError("8ER640M")
    assert enhanced_error(answer(SHAPES["flat"], 200)) == ERROR


def test_an_error_is_a_value() -> None:
    """Two errors of the same fields are equal, none can be changed, and a server's own words are not in its repr."""
    with pytest.raises(FrozenInstanceError):
        ERROR.code = "x"  # type: ignore[misc]
    assert read_error(SHAPES["flat"].encode()) == ERROR
    assert "aucun" not in repr(ERROR)


@pytest.mark.parametrize("stranger", [None, "text", b"bytes", 5, {"status": 403}, object(), asyncio, requests.Response])
def test_something_else_is_refused(stranger: Any) -> None:
    """What is no response is the programmer's error, which names the type and not the value."""
    with pytest.raises(ConfigurationError, match=r"not (NoneType|str|bytes|int|dict|object|module|type)$"):
        enhanced_error(stranger)


def test_a_stream_of_requests_is_left_alone(adobe: Simulator) -> None:
    """A body on the wire is not read behind the caller's back: the error says what to do, and then it works."""
    adobe.inject("api", Fault(status=403, body=SHAPES["flat"].encode()))
    with requests.get(f"{adobe.url}/api/v2/REF30/echo", stream=True, timeout=20) as response:
        with pytest.raises(ConfigurationError, match=r"read response\.content"):
            enhanced_error(response)
        assert response.content
        assert enhanced_error(response) == ERROR


def test_a_stream_of_requests_that_is_gone(adobe: Simulator) -> None:
    """A body that the caller has taken in parts cannot be had any more, and that is said."""
    adobe.inject("api", Fault(status=403, body=SHAPES["flat"].encode()))
    with requests.get(f"{adobe.url}/api/v2/REF30/echo", stream=True, timeout=20) as response:
        assert b"".join(response.iter_content(10)) == SHAPES["flat"].encode()
        with pytest.raises(ConfigurationError, match="has not been read"):
            enhanced_error(response)


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_a_stream_of_httpx_is_left_alone(library: Any, adobe: Simulator) -> None:
    """The same for streams of httpx."""
    adobe.inject("api", Fault(status=403, body=SHAPES["flat"].encode()))
    with library.stream("GET", f"{adobe.url}/api/v2/REF30/echo", timeout=20, trust_env=False) as response:
        with pytest.raises(ConfigurationError, match=r"response\.read\(\)"):
            enhanced_error(response)
        response.read()
        assert enhanced_error(response) == ERROR


@pytest.mark.parametrize("library", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_an_asynchronous_stream_of_httpx_is_left_alone(library: Any, adobe: Simulator) -> None:
    """The same for asynchronous streams of httpx."""
    adobe.inject("api", Fault(status=403, body=SHAPES["flat"].encode()))

    async def main() -> None:
        async with (
            library.AsyncClient(timeout=20, trust_env=False) as client,
            client.stream("GET", f"{adobe.url}/api/v2/REF30/echo") as response,
        ):
            with pytest.raises(ConfigurationError, match=r"await response\.aread\(\)"):
                enhanced_error(response)
            await response.aread()
            assert enhanced_error(response) == ERROR

    anyio.run(main)


def test_an_unread_response_of_aiohttp_is_left_alone(adobe: Simulator) -> None:
    """The same for aiohttp, whose responses are always read by the caller."""
    adobe.inject("api", Fault(status=403, body=SHAPES["flat"].encode()))

    async def main() -> None:
        async with aiohttp.ClientSession() as session, session.get(f"{adobe.url}/api/v2/REF30/echo") as response:
            with pytest.raises(ConfigurationError, match=r"await response\.read\(\)"):
                enhanced_error(response)
            await response.read()
            assert enhanced_error(response) == ERROR

    anyio.run(main)


@pytest.mark.parametrize("empty", [httpx.Response(401), httpx2.Response(401), Response(401, {}, b"")])
def test_a_response_without_a_body_has_no_error(empty: Any) -> None:
    """No body is no error."""
    assert enhanced_error(empty) is None


def test_the_first_of_many_errors_is_found_in_time() -> None:
    """A body of a megabyte that looks like errors all the way is read once, not once for each of them."""
    for piece in ("<error>", "<error><code>", "<code>", "<error </error>", '{"error":'):
        assert enhanced_error(answer(piece * (1_000_000 // len(piece)))) is None
