"""Challenges of protected APIs, as servers write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcrauth._internal.verdict import Verdict
from dcrauth.providers.oauth.challenges import Challenge, bearer_error, challenges, verdict_of

SEVERAL = (
    'Basic realm="a, b", Bearer error="invalid_token", error_description="say \\"hi, there\\"", DPoP algs="ES256 PS256"'
)


@pytest.mark.parametrize(
    ("value", "found"),
    [
        (
            SEVERAL,
            [
                Challenge("basic", {"realm": "a, b"}),
                Challenge("bearer", {"error": "invalid_token", "error_description": 'say "hi, there"'}),
                Challenge("dpop", {"algs": "ES256 PS256"}),
            ],
        ),
        ("Bearer", [Challenge("bearer")]),
        ('Bearer, DPoP algs="ES256"', [Challenge("bearer"), Challenge("dpop", {"algs": "ES256"})]),
        ("bearer Error=invalid_token", [Challenge("bearer", {"error": "invalid_token"})]),
        ('Bearer, error="invalid_token"', [Challenge("bearer", {"error": "invalid_token"})]),
        ("Negotiate abc==, Bearer realm=x", [Challenge("negotiate"), Challenge("bearer", {"realm": "x"})]),
        ("Basic, Bearer", [Challenge("basic"), Challenge("bearer")]),
        ('Bearer realm = "x" , scope="a b"', [Challenge("bearer", {"realm": "x", "scope": "a b"})]),
        ('Bearer resource_metadata="a", resource_metadata="b"', [Challenge("bearer", {"resource_metadata": "a"})]),
        ('Bearer error="not closed', [Challenge("bearer")]),
        (
            "Bearer authorization_uri=https://a.example/b?c=d, error=x",
            [Challenge("bearer", {"authorization_uri": "https://a.example/b?c=d", "error": "x"})],
        ),
        ('Bearer error="x" scope="a b" realm=y', [Challenge("bearer", {"error": "x", "scope": "a b", "realm": "y"})]),
        ('Bearer error="x" Basic realm=y', [Challenge("bearer", {"error": "x"}), Challenge("basic", {"realm": "y"})]),
        ("", []),
        (' , ,"', []),
    ],
)
def test_challenges_are_parsed(value: str, found: list[Challenge]) -> None:
    """Several in a header, quoted commas and quotes, blanks, any case, missing commas and quotes; the rest ends it."""
    assert challenges(value) == found


@pytest.mark.parametrize(
    ("status", "value", "verdict"),
    [
        (401, 'Bearer error="invalid_token"', Verdict.TOKEN),
        (401, SEVERAL, Verdict.TOKEN),
        (401, "Bearer", Verdict.TOKEN),
        (401, "", Verdict.TOKEN),
        (401, 'Bearer error="insufficient_scope", scope="a"', Verdict.APPLICATION),
        (401, 'Bearer error="invalid_request"', Verdict.APPLICATION),
        (401, 'Basic realm="x", Bearer error="insufficient_scope"', Verdict.APPLICATION),
        (401, "Bearer authorization_uri=https://a.example/b, error=insufficient_scope", Verdict.APPLICATION),
        (401, 'Bearer realm="a" error="Insufficient_Scope"', Verdict.APPLICATION),
        (401, 'Basic realm="x"', Verdict.TOKEN),
        (401, "Token", Verdict.TOKEN),
        (401, 'OAuth realm="x"', Verdict.TOKEN),
        (401, 'Basic realm="Bearer error=insufficient_scope"', Verdict.TOKEN),
        (401, 'Bearer error="expired_token"', Verdict.TOKEN),
        (401, 'Bearer error="token_expired"', Verdict.TOKEN),
        (401, 'Bearer error="INVALID_TOKEN"', Verdict.TOKEN),
        (401, 'Bearer error=""', Verdict.TOKEN),
        (403, 'Bearer error="invalid_token"', Verdict.TOKEN),
        (403, 'Bearer error="insufficient_scope"', Verdict.APPLICATION),
        (403, 'Bearer error="expired_token"', Verdict.APPLICATION),
        (403, "Bearer", Verdict.APPLICATION),
        (403, "", Verdict.APPLICATION),
    ],
)
def test_what_an_answer_says_of_the_token(status: int, value: str, verdict: Verdict) -> None:
    """A 401 is about the token, unless a Bearer challenge says that it is the scope or the request; a 403 is not."""
    assert verdict_of(status, value) is verdict


def test_the_challenge_with_an_error_counts() -> None:
    """Of two Bearer challenges the one that names an error is taken."""
    found = bearer_error('Bearer realm="a", Bearer error="insufficient_scope", scope="x y"')
    assert found == Challenge("bearer", {"error": "insufficient_scope", "scope": "x y"})


@given(st.text(alphabet='aB=", \\\t%ü', max_size=60))
def test_no_header_is_an_error(value: str) -> None:
    """Whatever a server writes is read as far as it goes."""
    assert all(each.scheme for each in challenges(value))
