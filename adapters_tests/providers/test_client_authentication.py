"""How clients prove who they are, as servers read it."""

from __future__ import annotations

import base64
from typing import Any
from urllib.parse import unquote_plus

import pytest
from joserfc import jwk, jwt

from dcrauth import ClientCredentials, ConfigurationError
from dcrauth.providers.oauth.client_assertion import ASSERTION_TYPE, ClientSecretJWT, PrivateKeyJWT
from dcrauth.providers.oauth.client_authentication import ClientSecret, MutualTLS, Occasion, proved
from dcrauth.providers.protocol import Problem

KEY = jwk.ECKey.generate_key("P-256", {"kid": "first"})
RSA = jwk.RSAKey.generate_key(2048)
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


def test_a_client_that_signs_needs_no_secret() -> None:
    """Its id is all that has to be given of it."""
    given = ClientCredentials("id")
    assert given.client_secret is None
    assert PrivateKeyJWT(KEY.as_dict(private=True)).proof(given, OCCASION).form["client_id"] == "id"


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


def test_how_a_key_signs() -> None:
    """Algorithm and id of a key may be given along with it, as PEM texts name neither."""
    text = RSA.as_pem(private=True)
    authentication = PrivateKeyJWT(text, algorithm="PS256", key_id="first")
    header = jwt.decode(
        authentication.proof(client(), OCCASION).form["client_assertion"], RSA, algorithms=["PS256"]
    ).header
    assert (header["alg"], header["kid"]) == ("PS256", "first")
    assert authentication.metadata["token_endpoint_auth_signing_alg"] == "PS256"
    assert authentication.metadata["jwks"]["keys"][0]["kid"] == "first"


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
        return f"{header['alg']}.{len(claims)}.signed"


def test_a_key_elsewhere() -> None:
    """Whatever signs is asked to; what a registration says of its key is the user's to say."""
    authentication = PrivateKeyJWT(InAnHSM())
    assert authentication.proof(client(), OCCASION).form["client_assertion"] == "ES256.6.signed"
    assert dict(authentication.metadata) == {"token_endpoint_auth_signing_alg": "ES256"}


class Odd(InAnHSM):
    """A signer, or an authentication, that answers with what it is told to."""

    auth_method, signs, metadata = "private_key_jwt", True, {}

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def sign(self, header: Any, claims: Any) -> str:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer  # type: ignore[no-any-return]

    proof = sign


@pytest.mark.parametrize(
    ("by", "told"),
    [
        (PrivateKeyJWT(Odd(RuntimeError(SECRET))), "has failed with RuntimeError"),
        (PrivateKeyJWT(Odd(None)), "What signs has returned a NoneType"),
        (PrivateKeyJWT(Odd(b"a.b.c")), "What signs has returned a bytes"),
        (PrivateKeyJWT(Odd("")), "text that is no JWT"),
        (PrivateKeyJWT(Odd("a.b.")), "text that is no JWT"),
        (PrivateKeyJWT(Odd("a.b.c\n")), "text that is no JWT"),
        (Odd(ValueError(SECRET)), "has failed with ValueError"),
        (Odd("a.b.c"), "has returned a str, and no Proof"),
    ],
    ids=["raises", "None", "bytes", "empty", "unsigned", "a line", "own raises", "own returns"],
)
def test_what_the_user_signs_with_may_fail(by: Any, told: str) -> None:
    """It is said by name, quotes nothing, and is no answer of the server: it is tried again."""
    found = proved(by, client(), OCCASION)
    assert isinstance(found, Problem)
    assert told in found.reason
    assert SECRET not in found.reason
    assert (found.status, found.final) == (None, False)


def test_what_a_signer_says_of_the_configuration_is_passed_on() -> None:
    """An error of ours that a signer raises says more than that it has failed."""
    with pytest.raises(ConfigurationError, match="no such slot"):
        proved(PrivateKeyJWT(Odd(ConfigurationError("no such slot"))), client(), OCCASION)


def with_(**members: Any) -> Any:
    return type("Signs", (InAnHSM,), members)()


def down(_: object) -> str:
    raise RuntimeError(SECRET)


@pytest.mark.parametrize(
    ("signer", "words"),
    [
        (with_(alg=property(down)), "The signer does not say its alg and kid: RuntimeError"),
        (with_(kid=property(down)), "The signer does not say its alg and kid: RuntimeError"),
        (with_(alg=b"ES256"), "alg of the signer must be text, not bytes"),
        (with_(kid=7), "kid of the signer must be text, not int"),
        (with_(alg="none"), "alg of the signer is 'none'"),
        (with_(alg="None"), "alg of the signer is 'None'"),
        (with_(alg=""), "alg of the signer is ''"),
    ],
    ids=range(7),
)
def test_a_signer_says_by_what_it_signs(signer: Any, words: str) -> None:
    """A signer that does not, or does not sign at all, is refused where it is given."""
    with pytest.raises(ConfigurationError, match=words) as caught:
        PrivateKeyJWT(signer)
    assert SECRET not in str(caught.value)
    assert caught.value.__context__ is None


@pytest.mark.parametrize("secret", ["s3", "-----BEGIN PUBLIC KEY-----x"])
def test_the_server_chooses_the_secret(secret: str, recwarn: pytest.WarningsRecorder) -> None:
    """A short secret, or one that looks like a key, is signed with, without a warning that nobody can act on."""
    form = ClientSecretJWT().proof(client(secret), OCCASION).form
    assert form["client_assertion"].count(".") == 2
    assert not recwarn.list


def test_a_signature_needs_a_secret() -> None:
    """A client without a secret cannot sign with it, and the error says so."""
    with pytest.raises(ConfigurationError, match="client has no client_secret: give it"):
        proved(ClientSecretJWT(), client(""), OCCASION)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: ClientSecret("header"), 'ClientSecret takes "basic" or "post", not \'header\''),
        (lambda: ClientSecret(raw_basic=1), "raw_basic must be True or False"),
        (lambda: PrivateKeyJWT(KEY.as_dict(private=True), algorithm="RS256"), "signs by ES256, not 'RS256'"),
        (lambda: PrivateKeyJWT(KEY.as_dict(private=True), key_id=5), "key_id must be text"),
        (lambda: PrivateKeyJWT(InAnHSM(), algorithm="ES256"), "A signer says its own alg and kid: leave out algorithm"),
        (lambda: PrivateKeyJWT(InAnHSM(), key_id="a"), "A signer says its own alg and kid: leave out algorithm"),
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
