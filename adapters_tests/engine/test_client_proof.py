"""Proving a client: whether a token is granted for it, with nothing stored, registered or replaced."""

from __future__ import annotations

from typing import Any

import pytest

from dcrauth import AdobePass, ClientCredentials, ConfigurationError, CredentialsRejected, OAuthServer, Throttled
from dcrauth.simulator import Fault, OAuthSimulator, Simulator
from dcrauth.transfer import prove_client

WRONG = ClientCredentials("made-by-hand", "a-secret-that-is-none")


def test_a_good_client_is_told_by_the_life_of_a_token(oauth: OAuthSimulator) -> None:
    """One token call, after the issuer was asked where; the answer is for how many seconds a token is good."""
    oauth.add_client("reports", secret="a secret")
    server = OAuthServer(oauth.issuer, protects=[oauth.api_url])
    assert prove_client(server, ClientCredentials("reports", "a secret")) == 3600.0
    assert (oauth.counts.register, oauth.counts.token) == (0, 1)


def test_a_wrong_one_is_refused_and_nothing_is_registered(adobe: Simulator, provider: AdobePass) -> None:
    """The error is that of the server's refusal, without the secret in it."""
    with pytest.raises(CredentialsRejected, match="invalid_client") as raised:
        prove_client(provider, WRONG)
    assert "a-secret" not in str(raised.value)
    assert (adobe.counts.register, adobe.counts.token) == (0, 1)


def test_no_answer_says_nothing_of_the_client(adobe: Simulator, provider: AdobePass) -> None:
    """A server that asks for fewer calls is no refusal; the moment that it names is told."""
    adobe.inject("token", Fault(status=429, headers=(("Retry-After", "60"),)))
    with pytest.raises(Throttled) as raised:
        prove_client(provider, WRONG, wall=lambda: 1000.0)
    assert raised.value.retry_at == 1060.0


@pytest.mark.parametrize(
    "given",
    [{"provider": None}, {"client": ("id", "secret")}, {"transport": object()}],
    ids=["provider", "client", "transport"],
)
def test_wrong_arguments_are_told(given: dict[str, Any], provider: AdobePass) -> None:
    """What is no provider, no credentials or no transport is named, and what to give instead."""
    arguments = {"provider": provider, "client": WRONG} | given
    with pytest.raises(ConfigurationError, match=next(iter(given))):
        prove_client(**arguments)
