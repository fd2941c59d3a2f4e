"""Private keys, in all the forms that they come in."""

from __future__ import annotations

import json
import pickle
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from joserfc import jwk, jwt

import dcrauth
from dcrauth import ConfigurationError
from dcrauth.providers.oauth.signing_key import SigningKey, signer_of

SOURCE = str(Path(dcrauth.__file__).parent)

KEYS: dict[str, Any] = {
    "RS256": rsa.generate_private_key(65537, 2048),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
}
RSA, EC = KEYS["RS256"], KEYS["ES256"]


def pem(key: Any, form: PrivateFormat = PrivateFormat.PKCS8, password: bytes | None = None) -> str:
    lock = BestAvailableEncryption(password) if password else NoEncryption()
    found: bytes = key.private_bytes(Encoding.PEM, form, lock)
    return found.decode()


def public_pem(key: Any) -> str:
    found: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return found.decode()


def kind(key: Any) -> Any:
    if isinstance(key, rsa.RSAPrivateKey):
        return jwk.RSAKey
    return jwk.ECKey if isinstance(key, ec.EllipticCurvePrivateKey) else jwk.OKPKey


def as_jwk(key: Any) -> dict[str, Any]:
    return dict(kind(key).import_key(pem(key)).as_dict(private=True))


FORMS: dict[str, Callable[[Any], Any]] = {
    "PKCS 8": pem,
    "with backslashes and n": lambda key: pem(key).replace("\n", "\\n"),
    "without line ends": lambda key: pem(key).replace("\n", ""),
    "with blanks": lambda key: pem(key).replace("\n", " "),
    "with CRLF": lambda key: pem(key).replace("\n", "\r\n"),
    "in quotes": lambda key: f'"{pem(key)}"',
    "bytes": lambda key: pem(key).encode(),
    "a JWK": as_jwk,
    "a JWK as text": lambda key: json.dumps(as_jwk(key)),
}


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("form", FORMS)
def test_a_key_is_read(algorithm: str, form: str) -> None:
    """Each kind of key in each form signs what its public key verifies."""
    key = SigningKey(FORMS[form](KEYS[algorithm]))
    assert key.alg == algorithm
    signed = key.sign({"alg": key.alg}, {"iss": "client"})
    public = kind(KEYS[algorithm]).import_key(public_pem(KEYS[algorithm]))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of joserfc, that EdDSA has another name as well
        assert jwt.decode(signed, public, algorithms=[algorithm]).claims == {"iss": "client"}


@pytest.mark.parametrize("key", [RSA, EC], ids=["RSA", "EC"])
def test_the_older_form_is_read(key: Any, tmp_path: Path) -> None:
    """PKCS 1 and SEC 1 are read as well, and a file, also one that has a certificate in front of the key."""
    text = pem(key, PrivateFormat.TraditionalOpenSSL)
    file = tmp_path / "client.pem"
    file.write_text(trustme.CA().cert_pem.bytes().decode() + text)
    assert SigningKey(text).public_jwk == SigningKey(file).public_jwk == SigningKey(str(file)).public_jwk


ENCRYPTED = "encrypted: decrypt it"
REFUSED: dict[str, tuple[Callable[[], Any], str]] = {
    "encrypted": (lambda: pem(RSA, password=b"x"), ENCRYPTED),
    "encrypted, the older form": (lambda: pem(RSA, PrivateFormat.TraditionalOpenSSL, b"x"), ENCRYPTED),
    "public": (lambda: public_pem(RSA), "a public key"),
    "certificate": (trustme.CA().cert_pem.bytes, "a certificate"),
    "OpenSSH": (lambda: pem(RSA, PrivateFormat.OpenSSH), "ssh-keygen"),
    "cut": (lambda: pem(RSA)[:700], "neither|no PEM"),
    "cut within": (lambda: pem(RSA)[:700] + "\n-----END PRIVATE KEY-----", "cut short or changed"),
    "short": (lambda: pem(rsa.generate_private_key(65537, 1024)), "RSA key of 1024 bits"),  # noqa: S505  # refused
    "another curve": (lambda: pem(ec.generate_private_key(ec.SECP256K1())), "secp256k1"),
    "a public JWK": (lambda: SigningKey(pem(EC)).public_jwk, "which has a member d"),
    "a secret as JWK": (lambda: {"kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQ"}, "of type oct"),
    "a set": (lambda: {"keys": [as_jwk(EC)]}, "a set of JWKs"),
    "a damaged JWK": (lambda: {**as_jwk(EC), "x": "!"}, "no JWK that can be used"),
    "cut JSON": (lambda: json.dumps(as_jwk(EC))[:60], "no JSON object"),
    "empty": (lambda: "  ", "is empty"),
    "no file": (lambda: "missing.pem", "cannot be read from 'missing.pem'"),
    "two keys": (lambda: pem(RSA) + pem(EC), "holds 2 private keys: give one of them"),
    "a number": (lambda: 5, "not int"),
    "None": (lambda: None, "not None"),
}


@pytest.mark.parametrize("form", REFUSED)
def test_what_is_no_private_key(form: str) -> None:
    """What it is instead is said by name, and no part of it is in the message or the traceback."""
    made, words = REFUSED[form]
    given = made()
    with pytest.raises(ConfigurationError, match=words) as caught:
        SigningKey(given)
    ours = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__) if SOURCE in frame.f_code.co_filename]
    told = caught.value.message + repr([frame.f_locals for frame in ours])
    text = given.decode() if isinstance(given, bytes) else json.dumps(given) if isinstance(given, dict) else str(given)
    assert not [each for each in text.replace('"', " ").split() if len(each) > 20 and each in told]
    assert len(caught.value.message) < 250


@pytest.mark.parametrize(
    ("key", "algorithm", "words"),
    [(RSA, "ES256", "signs by RS256"), (EC, "ES384", "signs by ES256"), (EC, "none", "signs by"), (EC, 5, "not int")],
    ids=["RSA", "EC", "none", "number"],
)
def test_an_algorithm_that_does_not_fit(key: Any, algorithm: Any, words: str) -> None:
    """A key signs by the algorithms of its kind, and of its curve, only."""
    with pytest.raises(ConfigurationError, match=words):
        SigningKey(pem(key), algorithm)


def test_what_a_jwk_says_counts() -> None:
    """Algorithm and id are those of the JWK, unless they are given."""
    key = SigningKey({**as_jwk(RSA), "alg": "PS256", "kid": "first"})
    assert (key.alg, key.kid) == ("PS256", "first")
    assert (key.public_jwk["alg"], key.public_jwk["kid"], "d" in key.public_jwk) == ("PS256", "first", False)
    other = SigningKey({**as_jwk(RSA), "kid": "first"}, "RS512", "")
    assert (other.alg, other.kid) == ("RS512", None)


def test_a_key_is_kept_to_itself() -> None:
    """A key is in no repr and no pickle."""
    key = SigningKey(pem(EC))
    assert repr(key) == "SigningKey(algorithm=None, key_id=None, alg='ES256', kid=None)"
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(key)


def test_a_signer_is_taken_as_it_is() -> None:
    """What signs elsewhere need not be a key; what neither is nor signs is an error."""
    key = SigningKey(pem(EC))
    assert signer_of(key) is key
    assert signer_of(pem(EC)).alg == "ES256"
    with pytest.raises(ConfigurationError, match="key must be a private key"):
        signer_of(object())  # type: ignore[arg-type]
