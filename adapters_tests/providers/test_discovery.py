"""Where a server's metadata is looked for, and what is taken from it."""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import pytest

from adapters_tests.providers.test_oauth_server import (
    CLIENT,
    GRANT,
    METADATA,
    NO_ANSWER,
    NOW,
    REGISTERED,
    answer,
    drive,
    kept_by,
    metadata,
    moment,
    problem_of,
    server,
)
from dcrauth import ClientCredentials, ServerUnavailable
from dcrauth.engine.answers import Meaning, meaning
from dcrauth.providers.oauth.discovery import Endpoints, endpoints_in, well_known_urls

ISSUER = "https://issuer.example/tenant"
GOOD = {
    "issuer": ISSUER,
    "token_endpoint": "https://tokens.example/token?tenant=1",
    "registration_endpoint": "https://issuer.example/register",
    "token_endpoint_auth_methods_supported": ["private_key_jwt", 7],
    "scopes_supported": ["a"],
    "mtls_endpoint_aliases": {"token_endpoint": "https://mtls.example/token", "userinfo_endpoint": "x"},
}


@pytest.mark.parametrize(
    ("issuer", "urls"),
    [
        (
            "https://issuer.example",
            [
                "https://issuer.example/.well-known/oauth-authorization-server",
                "https://issuer.example/.well-known/openid-configuration",
            ],
        ),
        (
            "https://issuer.example:8443/a/b/",
            [
                "https://issuer.example:8443/.well-known/oauth-authorization-server/a/b",
                "https://issuer.example:8443/.well-known/openid-configuration/a/b",
                "https://issuer.example:8443/a/b/.well-known/openid-configuration",
            ],
        ),
    ],
)
def test_where_metadata_is_looked_for(issuer: str, urls: list[str]) -> None:
    """The name goes between host and path first, and that of OpenID at the end as well."""
    assert well_known_urls(issuer) == urls


def test_what_metadata_say() -> None:
    """The endpoints, and what a client may choose from; for a certificate there may be others."""
    found = endpoints_in(json.dumps(GOOD).encode(), ISSUER)
    assert found == Endpoints(
        GOOD["token_endpoint"],
        GOOD["registration_endpoint"],
        ISSUER,
        ("private_key_jwt",),
        None,
        ("a",),
        {"token_endpoint": "https://mtls.example/token"},
    )
    assert found.for_certificate().token == "https://mtls.example/token"
    assert found.for_certificate().registration == GOOD["registration_endpoint"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"issuer": ISSUER + "/"}, f"that of {ISSUER}/, not of {ISSUER}; they differ by a slash"),
        ({"issuer": "https://other.example"}, "that of https://other.example, not of"),
        ({"issuer": None}, "that of no issuer at all"),
        ({"token_endpoint": ""}, "names no token_endpoint"),
        ({"token_endpoint": 7}, "token_endpoint is no text"),
        ({"token_endpoint": "http://issuer.example/token"}, "token_endpoint is http://issuer.example"),
        ({"registration_endpoint": "/register"}, "registration_endpoint"),
    ],
)
def test_what_metadata_must_not_say(changes: dict[str, Any], words: str) -> None:
    """Another issuer, even by a slash, and an endpoint that no secret may go to: nothing of it is used."""
    with pytest.raises(ValueError, match="metadata") as caught:
        endpoints_in(json.dumps({**GOOD, **changes}).encode(), ISSUER)
    assert words in str(caught.value)


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'{"issuer": "https://issuer.exam', b"[1]", b"\xff"])
def test_what_is_no_metadata(body: bytes) -> None:
    """An empty, a cut or another document is none."""
    with pytest.raises(ValueError, match="metadata"):
        endpoints_in(body, ISSUER)


def test_no_registration_is_no_error() -> None:
    """A server without a registration endpoint still has a token endpoint."""
    body = {name: value for name, value in GOOD.items() if name != "registration_endpoint"}
    assert endpoints_in(json.dumps(body).encode(), ISSUER).registration is None


NOT_OPEN = metadata(registration_endpoint=None)
DAY = 86_400.0


def kept_without_registration() -> dict[str, Any]:
    result, _ = drive(server().fetch_token(CLIENT, moment()), NOT_OPEN, GRANT)
    return dict(result.kept or {})


def test_a_registration_that_was_opened_later_is_found() -> None:
    """Kept metadata that name no registration endpoint are no answer to where clients register: the issuer is asked."""
    kept = kept_without_registration()
    result, sent = drive(server().register(moment(kept)), metadata(), REGISTERED)
    assert isinstance(result.value, ClientCredentials)
    assert [each.url for each in sent][1:] == [METADATA["registration_endpoint"]]
    _, sent = drive(server().fetch_token(CLIENT, moment(kept)), GRANT)
    assert len(sent) == 1


def test_an_issuer_that_says_nothing_has_not_closed_its_registration() -> None:
    """Where kept metadata name no registration endpoint, and the issuer says nothing now, it is asked once more."""
    result, _ = drive(server().register(moment(kept_without_registration())), NO_ANSWER)
    assert meaning(problem_of(result)) is Meaning.TRANSIENT


@pytest.mark.parametrize(
    ("later", "requests"), [(DAY - 1, 1), (DAY + 1, 2), (-DAY - 1, 2)], ids=["a day", "longer", "a clock put back"]
)
def test_what_is_kept_has_an_age(later: float, requests: int) -> None:
    """After a day the issuer is asked whether it says something else by now, and what it says is kept for another."""
    kept = kept_by(server())
    answers = [metadata(token_endpoint="https://new.example/token")] * (requests - 1)
    result, sent = drive(server().fetch_token(CLIENT, moment(kept, wall=NOW + later)), *answers, GRANT)
    assert len(sent) == requests
    _, sent = drive(server().fetch_token(CLIENT, moment(result.kept, wall=NOW + later)), GRANT)
    assert sent[0].url == ("https://new.example/token" if requests == 2 else METADATA["token_endpoint"])


@pytest.mark.parametrize("asked", [None, "yesterday", True, float("nan")], ids=repr)
def test_what_is_kept_without_its_age_is_old(asked: object) -> None:
    """A record that does not say since when it is there is not believed for ever."""
    kept = {**kept_by(server()), "asked": asked}
    _, sent = drive(server().fetch_token(CLIENT, moment(kept)), metadata(), GRANT)
    assert len(sent) == 2


def test_an_issuer_that_is_down_is_asked_once_a_day() -> None:
    """What is old serves while the issuer says nothing, and no renewal of that day waits for it again."""
    old = moment(kept_by(server()), wall=NOW + 2 * DAY)
    result, sent = drive(server().fetch_token(CLIENT, old), *[answer(503)] * 3, GRANT)
    assert sent[-1].url == METADATA["token_endpoint"]
    _, sent = drive(server().fetch_token(CLIENT, moment(result.kept, wall=NOW + 3 * DAY - 1)), GRANT)
    assert len(sent) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308, 404, 405, 410, 501])
@pytest.mark.parametrize("flow", ["register", "token"])
def test_a_moved_endpoint_is_looked_up_again(flow: str, status: int) -> None:
    """In whatever way an endpoint says that it is not here, the next attempt asks the issuer, and goes there."""
    made = server()
    begun = made.register if flow == "register" else partial(made.fetch_token, CLIENT)
    result, _ = drive(begun(moment(kept_by(made))), answer(status, location="https://elsewhere.example/"))
    new = "https://new.example/"
    found = metadata(token_endpoint=new, registration_endpoint=new)
    after, sent = drive(begun(moment(result.kept)), found, REGISTERED if flow == "register" else GRANT)
    assert [each.method for each in sent] == ["GET", "POST"]
    assert sent[1].url == new
    assert after.kept is not None
    assert "doubtful" not in after.kept


@pytest.mark.parametrize("status", [400, 403, 429, 500, 503])
def test_an_endpoint_that_says_something_else_is_there(status: int) -> None:
    """An endpoint that refuses, or has too much to do, is the right one: its issuer is not asked for that."""
    kept = kept_by(server())
    result, _ = drive(server().fetch_token(CLIENT, moment(kept)), answer(status))
    assert result.kept == kept


FOREIGN = metadata(issuer="https://issuer.example")


@pytest.mark.parametrize(
    "unfit",
    [FOREIGN, metadata(token_endpoint="http://a.example/t"), metadata(token_endpoint="http://127.0.0.1/t")],
    ids=["another issuer", "http", "loopback"],
)
def test_an_unfit_document_says_nothing_of_the_other_places(unfit: Any) -> None:
    """A host that serves one document for every inserted path may have the right one at the end of the path."""
    result, sent = drive(server().register(moment()), unfit, unfit, metadata(), REGISTERED)
    assert isinstance(result.value, ClientCredentials)
    assert sent[2].url == "https://issuer.example/tenant/.well-known/openid-configuration"
    assert sent[3].url == METADATA["registration_endpoint"]


@pytest.mark.parametrize(
    ("rest", "means"),
    [
        ([answer(404), answer(404)], Meaning.REJECTED),
        ([answer(404), answer(200, b"<html>")], Meaning.REJECTED),
        ([answer(404), FOREIGN], Meaning.REJECTED),
        ([answer(404), answer(503)], Meaning.TRANSIENT),
        ([answer(503), answer(404)], Meaning.TRANSIENT),
        ([answer(503), FOREIGN], Meaning.TRANSIENT),
        ([answer(429)], Meaning.THROTTLED),
        ([NO_ANSWER], Meaning.TRANSIENT),
    ],
    ids=["missing", "html", "foreign", "down", "down first", "down between", "throttled", "silence"],
)
def test_a_foreign_document_is_the_last_word_where_all_places_have_answered(rest: list[Any], means: Meaning) -> None:
    """That it is another issuer's is said once no place can have a better one, and never while one may."""
    problem = problem_of(drive(server().register(moment()), FOREIGN, *rest)[0])
    assert meaning(problem) is means
    if means is Meaning.REJECTED:
        assert "that of https://issuer.example, not of" in problem.reason


REFUSED = answer(401, {"error": "invalid_client"})


@pytest.mark.parametrize(
    ("flow", "refusal"), [("token", REFUSED), ("register", answer(400, {"error": "invalid_client_metadata"}))]
)
def test_a_refusal_may_come_from_an_endpoint_that_was_left(flow: str, refusal: Any) -> None:
    """Whoever refuses the client may not be the server any more: the next attempt asks the issuer first, and once."""
    made, later = server(), {"wall": NOW + 60}
    begun = made.register if flow == "register" else partial(made.fetch_token, CLIENT)
    result, _ = drive(begun(moment(kept_by(made), **later)), refusal)
    again, sent = drive(begun(moment(result.kept, **later)), metadata(), refusal)
    assert [each.method for each in sent] == ["GET", "POST"]
    _, sent = drive(begun(moment(again.kept, **later)), refusal)
    assert len(sent) == 1


def test_a_refusal_is_believed_while_the_issuer_says_nothing() -> None:
    """A refusal after a question that was not answered is as good as any: what is kept serves on."""
    result, _ = drive(server().fetch_token(CLIENT, moment(kept_by(server()), wall=NOW + 60)), REFUSED)
    again, _ = drive(server().fetch_token(CLIENT, moment(result.kept, wall=NOW + 70)), NO_ANSWER, REFUSED)
    assert meaning(problem_of(again)) is Meaning.CLIENT_REJECTED
    assert again.kept is not None
    assert again.kept["metadata"] == kept_by(server())["metadata"]


def test_a_document_that_is_too_large_is_called_that() -> None:
    """What the transport says of an answer that it has not read to its end is said, not what its absence looks like."""
    told = "https://issuer.example/a answered more than 1048576 bytes; that is no answer"
    problem = problem_of(drive(server().register(moment()), *[ServerUnavailable(told, status=200)] * 3)[0])
    assert told in problem.reason
    assert "JSON" not in problem.reason
    assert meaning(problem) is Meaning.TRANSIENT
