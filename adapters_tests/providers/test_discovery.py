"""Where a server's metadata is looked for, and what is taken from it."""

from __future__ import annotations

import json
from typing import Any

import pytest

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
