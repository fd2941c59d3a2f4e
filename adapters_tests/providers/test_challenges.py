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
        ("", []),
        (' , ,"', []),
    ],
)
def test_challenges_are_parsed(value: str, found: list[Challenge]) -> None:
    """Several in a header, quoted commas and quotes, blanks, any case; what cannot be read ends the list."""
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
        (401, 'Basic realm="x"', Verdict.APPLICATION),
        (401, 'Basic realm="Bearer error=invalid_token"', Verdict.APPLICATION),
        (403, 'Bearer error="insufficient_scope"', Verdict.APPLICATION),
        (403, "Bearer", Verdict.APPLICATION),
    ],
)
def test_what_an_answer_says_of_the_token(status: int, value: str, verdict: Verdict) -> None:
    """Only a Bearer challenge that names no other error than invalid_token, or no challenge, is about the token."""
    assert verdict_of(status, value) is verdict


def test_the_challenge_with_an_error_counts() -> None:
    """Of two Bearer challenges the one that names an error is taken."""
    found = bearer_error('Bearer realm="a", Bearer error="insufficient_scope", scope="x y"')
    assert found == Challenge("bearer", {"error": "insufficient_scope", "scope": "x y"})


@given(st.text(alphabet='aB=", \\\t%ü', max_size=60))
def test_no_header_is_an_error(value: str) -> None:
    """Whatever a server writes is read as far as it goes."""
    assert all(each.scheme for each in challenges(value))
