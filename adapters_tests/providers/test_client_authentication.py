"""How clients prove who they are, as servers read it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote_plus

import pytest
from joserfc import jwk, jwt

from dcrauth import ClientCredentials, ConfigurationError
from dcrauth.providers.oauth.client_authentication import (
    ASSERTION_TYPE,
    ClientSecret,
    ClientSecretJWT,
    MutualTLS,
    Occasion,
    PrivateKeyJWT,
)

KEY = jwk.ECKey.generate_key("P-256", {"kid": "first"})
OCCASION = Occasion("https://issuer.example", "https://issuer.example/token", 1_000_000.7, "unique")
SECRET = "s3cret/+ %:ü-s3cret-s3cret-s3cret"


def client(secret: str = SECRET, **metadata: Any) -> ClientCredentials:
    return ClientCredentials("id/with:colon", secret, metadata=metadata)


def claims(token: str, key: Any, algorithm: str) -> dict[str, Any]:
    return dict(jwt.decode(token, key, algorithms=[algorithm]).claims)


def basic(headers: Any) -> tuple[str, str]:
    scheme, _, value = headers["Authorization"].partition(" ")
    assert scheme == "Basic"
    name, _, secret = base64.b64decode(value).decode().partition(":")
    return name, secret


def test_a_secret_by_basic() -> None:
    """Id and secret are encoded before they are joined; for servers that do not decode them there is an option."""
    proof = ClientSecret().proof(client(), OCCASION)
    name, secret = basic(proof.headers)
    assert (unquote_plus(name), unquote_plus(secret)) == ("id/with:colon", SECRET)
    assert ":" not in secret
    assert proof.form == {}
    raw = ClientSecret(raw_basic=True).proof(ClientCredentials("plain", SECRET), OCCASION)
    assert basic(raw.headers) == ("plain", SECRET)


@pytest.mark.parametrize("wanted", [None, "basic", "post"])
@pytest.mark.parametrize("answered", ["client_secret_basic", "client_secret_post", None, "", 5])
def test_the_answer_decides(wanted: Any, answered: Any) -> None:
    """The method is what the registration was answered, else what was asked for, else Basic."""
    authentication = ClientSecret(wanted)
    proof = authentication.proof(client(token_endpoint_auth_method=answered), OCCASION)
    expected = (
        answered if answered in {"client_secret_basic", "client_secret_post"} else f"client_secret_{wanted or 'basic'}"
    )
    assert ("Authorization" in proof.headers) is (expected == "client_secret_basic")
    assert ("client_secret" in proof.form) is (expected == "client_secret_post")
    assert authentication.auth_method == (wanted and f"client_secret_{wanted}")
    assert not authentication.signs


def test_a_client_without_a_secret() -> None:
    """It says who it is, and proves nothing."""
    assert dict(ClientSecret().proof(client(""), OCCASION).form) == {"client_id": "id/with:colon"}


@pytest.mark.parametrize(
    ("audience", "aud"),
    [
        ("issuer", OCCASION.issuer),
        ("token_endpoint", OCCASION.token_endpoint),
        ("https://elsewhere.example", "https://elsewhere.example"),
    ],
)
def test_an_assertion(audience: str, aud: str) -> None:
    """It is dated some seconds back, has no ``nbf``, ends by the true time, and says whom it is for."""
    authentication = PrivateKeyJWT(KEY.as_dict(private=True), audience=audience)
    proof = authentication.proof(client(), OCCASION)
    assert proof.form["client_assertion_type"] == ASSERTION_TYPE
    assert claims(proof.form["client_assertion"], KEY, "ES256") == {
        "iss": "id/with:colon",
        "sub": "id/with:colon",
        "aud": aud,
        "iat": 999_990,
        "exp": 1_000_060,
        "jti": "unique",
    }
    assert jwt.decode(proof.form["client_assertion"], KEY).header == {"alg": "ES256", "typ": "JWT", "kid": "first"}
    assert (authentication.auth_method, authentication.signs) == ("private_key_jwt", True)


def test_what_a_registration_says_of_a_key() -> None:
    """The algorithm, and the public key itself or where it is; never a part of the private one."""
    metadata = PrivateKeyJWT(KEY.as_dict(private=True)).metadata
    assert metadata["token_endpoint_auth_signing_alg"] == "ES256"
    (public,) = metadata["jwks"]["keys"]
    assert "d" not in public
    elsewhere = PrivateKeyJWT(KEY.as_dict(private=True), jwks_uri="https://client.example/jwks").metadata
    assert elsewhere["jwks_uri"] == "https://client.example/jwks"
    assert "jwks" not in elsewhere


def test_an_assertion_by_the_secret() -> None:
    """It is signed with the secret that the server knows."""
    authentication = ClientSecretJWT("HS512")
    proof = authentication.proof(client(SECRET * 2), OCCASION)
    found = claims(proof.form["client_assertion"], jwk.OctKey.import_key(SECRET * 2), "HS512")
    assert found["aud"] == OCCASION.issuer
    assert authentication.metadata == {"token_endpoint_auth_signing_alg": "HS512"}
    assert "client_secret" not in proof.form


def test_a_certificate() -> None:
    """It is shown in the handshake; the body says whose it is."""
    authentication = MutualTLS(metadata={"tls_client_auth_san_dns": "client.example"})
    assert dict(authentication.proof(client(), OCCASION).form) == {"client_id": "id/with:colon"}
    assert (authentication.auth_method, authentication.signs) == ("tls_client_auth", True)


class InAnHSM:
    """A key that never leaves its device."""

    alg = "ES256"
    kid = None

    def sign(self, header: Any, claims: Any) -> str:
        return f"{header['alg']}.{claims['sub']}.signed"


def test_a_key_elsewhere() -> None:
    """Whatever signs is asked to; what a registration says of its key is the user's to say."""
    authentication = PrivateKeyJWT(InAnHSM())
    assert authentication.proof(client(), OCCASION).form["client_assertion"] == "ES256.id/with:colon.signed"
    assert dict(authentication.metadata) == {"token_endpoint_auth_signing_alg": "ES256"}


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ClientSecret("header"), 'ClientSecret takes "basic" or "post", not \'header\''),
        (lambda: ClientSecret(raw_basic=1), "raw_basic must be True or False"),
        (lambda: PrivateKeyJWT("secret key"), "cannot be read from 'secret key'"),
        (lambda: PrivateKeyJWT(KEY.as_dict(private=True), lifetime=0), "lifetime must be a number of seconds"),
        (lambda: PrivateKeyJWT(KEY.as_dict(private=True), audience=None), "audience must be text"),
        (lambda: ClientSecretJWT("RS256"), "ClientSecretJWT takes HS256, HS384 or HS512"),
        (lambda: MutualTLS("tls"), "MutualTLS takes"),
        (lambda: MutualTLS(metadata=None), "metadata must be a mapping"),
    ],
)
def test_wrong_arguments(make: Any, words: str) -> None:
    """What is wrong is said where it is given, with what would be right."""
    with pytest.raises(ConfigurationError, match=words):
        make()


def test_nothing_shows_a_secret() -> None:
    """No proof and no way of proving has a secret in its repr."""
    authentication = PrivateKeyJWT(KEY.as_dict(private=True))
    private = KEY.as_dict(private=True)["d"]
    assert private not in repr(authentication)
    assert SECRET not in repr(ClientSecret("post").proof(client(), OCCASION))
