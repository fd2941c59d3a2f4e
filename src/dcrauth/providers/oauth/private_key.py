"""A private key, read from whatever form it comes in; or what is wrong with it, said by name."""

import os
import re
import textwrap
from collections.abc import Mapping
from typing import Any

from dcrauth._internal.arguments import path_of, shown, wrong
from dcrauth._internal.strict_json import json_object
from dcrauth.errors import ConfigurationError
from dcrauth.providers.oauth.jose import signing_library

_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----(.*?)-----END \1-----", re.DOTALL)
_BY_CURVE = {"P-256": "ES256", "P-384": "ES384", "P-521": "ES512", "Ed25519": "EdDSA"}
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_LARGEST = 64 * 1024
_LEAST_RSA_BITS = 2048
_INSTEAD = {
    "ENCRYPTED PRIVATE KEY": "is encrypted: decrypt it first, as with openssl pkey; there is no option for a password",
    "PUBLIC KEY": "is a public key: give the private key that belongs to it",
    "RSA PUBLIC KEY": "is a public key: give the private key that belongs to it",
    "CERTIFICATE": "is a certificate: give the private key that belongs to it",
    "CERTIFICATE REQUEST": "is a certificate request: give the private key that belongs to it",
    "OPENSSH PRIVATE KEY": "is in the format of OpenSSH: convert a copy of it with ssh-keygen -p -m PEM -f COPY",
}
_PRIVATE = {"PRIVATE KEY", "RSA PRIVATE KEY", "EC PRIVATE KEY"}


def loaded(source: object) -> tuple[Mapping[str, Any], Any]:
    """Return what the *source* of a key says of it, ``alg`` and ``kid``, and the key itself, as joserfc has it.

    Raises:
        ConfigurationError: it is no private key, or it cannot be read.
    """
    if isinstance(source, Mapping):
        return _from_jwk(dict(source))
    text = _text(source)
    if text.lstrip().startswith("{"):
        try:
            return _from_jwk(json_object(text))
        except ValueError:
            failure = ConfigurationError("The key begins like a JWK, but is no JSON object; it may be cut short")
        raise failure
    return {}, _from_pem(text)


def _text(source: object) -> str:
    if isinstance(source, str) and not source.strip():
        raise ConfigurationError("The key is empty: give a private key as PEM text, as a JWK, or the path of a file")
    if isinstance(source, str) and _is_key_text(source):
        return source
    if isinstance(source, bytes):
        return source.decode("utf-8", "replace")
    if isinstance(source, str | os.PathLike):
        return _read(path_of(source, "key"))
    raise wrong("key", "a private key as PEM text, a JWK, or the path of a file with one of them", source)


def _is_key_text(text: str) -> bool:
    """Know a key from a path without trying to open it; what is longer than any path is no path."""
    return "-----BEGIN" in text or text.lstrip().startswith("{") or "\n" in text.strip() or len(text) > 1024


def _read(path: str) -> str:
    try:
        with open(path, "rb") as file:
            return file.read(_LARGEST).decode("utf-8", "replace")
    except OSError as reason:
        told = reason.strerror or type(reason).__name__
    raise ConfigurationError(f"The key cannot be read from {shown(path)}: {told}")


def _from_jwk(jwk: dict[str, Any]) -> tuple[Mapping[str, Any], Any]:
    if "keys" in jwk:
        raise ConfigurationError("The key is a set of JWKs: give one private key of it")
    if jwk.get("kty") == "oct":
        raise ConfigurationError("The key is a JWK of type oct: a secret that the server shares, and no private key")
    if "d" not in jwk:
        raise ConfigurationError("The key is a public key as a JWK: give the private one, which has a member d")
    _check_length(jwk)
    try:
        key = _kind(str(jwk.get("kty"))).import_key(jwk)
        _ = key.as_dict(private=False)  # which is when a key of another kind, or a damaged one, is found out
    except ConfigurationError:
        raise
    except Exception as reason:  # of several kinds, and their texts may quote the key
        named = type(reason).__name__
    else:
        stated = {name: jwk[name] for name in ("alg", "kid") if isinstance(jwk.get(name), str)}
        return stated, key
    raise ConfigurationError(f"The key is no JWK that can be used ({named}): it may be cut short or changed")


def _from_pem(text: str) -> Any:
    found = _PEM.findall(text.replace("\\r", "").replace("\\n", "\n"))
    if (keys := sum(label in _PRIVATE for label, _ in found)) > 1:
        raise ConfigurationError(f"The key holds {keys} private keys: give one of them")
    blocks = dict(found)
    label = next((each for each in blocks if each in _PRIVATE), None) or next(iter(blocks), "")
    if label in _INSTEAD:
        raise ConfigurationError(f"The key {_INSTEAD[label]}")
    if label not in _PRIVATE:
        raise ConfigurationError(
            "The key is no PEM text and no JWK: a PEM text begins with -----BEGIN PRIVATE KEY-----"
        )
    if "ENCRYPTED" in blocks[label]:
        raise ConfigurationError(f"The key {_INSTEAD['ENCRYPTED PRIVATE KEY']}")
    return _imported(label, "".join(blocks[label].split()))


def _imported(label: str, body: str) -> Any:
    lines = "\n".join(textwrap.wrap(body, 64))
    pem = f"-----BEGIN {label}-----\n{lines}\n-----END {label}-----\n"
    kind = _kind_of_pem(pem.encode())
    if kind is None:
        raise ConfigurationError(
            "The key cannot be used: it may be cut short or changed, or is of a kind other than RSA, P-256, P-384, "
            "P-521 and Ed25519"
        )
    return _kind(kind).import_key(pem)


def _kind_of_pem(pem: bytes) -> str | None:
    """Return which kind of JWK the key in *pem* makes; None if it is no key, or of another kind."""
    signing_library()  # which brings cryptography, or says that it is missing
    from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x448, x25519  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415

    try:
        key = load_pem_private_key(pem, None)
    except Exception:  # of several kinds, and their texts may quote the key
        return None
    if isinstance(key, rsa.RSAPrivateKey):
        _check_bits(key.key_size)
        return "RSA"
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return "EC"
    edwards = ed25519.Ed25519PrivateKey, ed448.Ed448PrivateKey, x25519.X25519PrivateKey, x448.X448PrivateKey
    return "OKP" if isinstance(key, edwards) else None


def _kind(name: str) -> Any:
    kinds = {"RSA": "RSAKey", "EC": "ECKey", "OKP": "OKPKey"}
    if name not in kinds:
        raise ConfigurationError(f"The key is a JWK of the kind {shown(name)}; give one of the kind RSA, EC or OKP")
    return getattr(signing_library().jwk, kinds[name])


def algorithm_for(key: Any, wanted: object) -> str:
    """Return the algorithm to sign with, which has to be one for the *key* (RFC 7518 §3.1, RFC 8037 §3.1)."""
    public = key.as_dict(private=False)
    kind = str(public.get("crv") or public.get("kty"))
    fits = _RSA if kind == "RSA" else (_BY_CURVE[kind],) if kind in _BY_CURVE else ()
    if not fits:
        raise ConfigurationError(
            f"The key is of the kind {shown(kind)}; give one of RSA, P-256, P-384, P-521 or Ed25519"
        )
    if wanted is None:
        return fits[0]
    if wanted not in fits:
        raise ConfigurationError(f"A key of the kind {kind} signs by {', '.join(fits)}, not {shown(str(wanted))}")
    return str(wanted)


def _check_length(jwk: Mapping[str, Any]) -> None:
    if jwk.get("kty") == "RSA" and isinstance(jwk.get("n"), str):
        _check_bits(len(jwk["n"]) * 6)


def _check_bits(bits: int) -> None:
    if bits < _LEAST_RSA_BITS:
        raise ConfigurationError(f"The key is an RSA key of {bits} bits; servers want {_LEAST_RSA_BITS} at least")
