"""A private key to sign with: read from whatever form it comes in, or said by name what is wrong with it."""

import os
import re
import textwrap
from collections.abc import Mapping
from dataclasses import field
from functools import cache
from types import ModuleType
from typing import Any, Protocol, TypeAlias

from dcrauth._internal.arguments import check_methods, check_text, path_of, shown, wrong
from dcrauth._internal.confidential import Confidential, confidential, discreet, discreet_constructor
from dcrauth._internal.strict_json import json_object
from dcrauth.errors import ConfigurationError

KeySource: TypeAlias = "str | bytes | os.PathLike[str] | Mapping[str, Any]"

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


class Signer(Protocol):
    """Something that signs, such as a key in an HSM or in a cloud's key service.

    It is called on a worker thread, once for each attempt of a token call, and may wait for a network.
    """

    @property
    def alg(self) -> str:
        """The algorithm (RFC 7518 §3.1), such as ``ES256``."""
        ...

    @property
    def kid(self) -> str | None:
        """What the server knows the key by; None leaves it out."""
        ...

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Return *claims* as a signed JWT in compact form.

        Parameters:
            header: of the JWS, with ``alg`` and, where there is one, ``kid``.
        """
        ...


@discreet_constructor
@confidential
class SigningKey(Confidential):
    r"""A private key that signs JWTs; needs the extra ``jwt``.

    Parameters:
        source: a PEM text (PKCS #8, PKCS #1 or SEC 1), a JWK as a mapping or as JSON, or the path of a file with one of
            them. A PEM text may have ``\n`` for its line ends, or none, as variables of an environment have.
        algorithm: RS256 to RS512, PS256 to PS512, ES256 to ES512 or EdDSA; None for what the JWK says, or else for
            RS256 with an RSA key and the one that belongs to the curve of another.
        key_id: what the server knows the key by; None for the ``kid`` of a JWK, "" for none.

    Raises:
        ConfigurationError: it is no private key, it cannot be read, or the algorithm is not one for it.
    """

    source: KeySource = field(repr=False)
    algorithm: str | None = None
    key_id: str | None = None
    _key: Any = field(init=False, repr=False, compare=False)
    alg: str = field(init=False)
    kid: str | None = field(init=False)

    def __post_init__(self) -> None:
        for name in ("algorithm", "key_id"):
            if getattr(self, name) is not None:
                check_text(getattr(self, name), name)
        stated, key = _loaded(self.source)
        object.__setattr__(self, "source", "")
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "alg", _algorithm(key, self.algorithm or stated.get("alg")))
        kid = stated.get("kid") if self.key_id is None else self.key_id
        object.__setattr__(self, "kid", kid or None)

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Return *claims* as a signed JWT in compact form."""
        return _signed(header, claims, self._key)

    @property
    def public_jwk(self) -> dict[str, Any]:
        """The public key as a JWK, to be registered in ``jwks`` or served at a ``jwks_uri`` (RFC 7517)."""
        found = dict(self._key.as_dict(private=False))
        return {**found, "use": "sig", "alg": self.alg, **({"kid": self.kid} if self.kid else {})}


@confidential
class _SecretKey(Confidential):
    key: Any = field(repr=False)
    alg: str = ""
    kid: str | None = None

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        return _signed(header, claims, self.key)


def secret_key(secret: str, algorithm: str) -> Signer:
    """Return what signs with a secret that is shared with the server.

    Parameters:
        algorithm: HS256, HS384 or HS512.
    """
    # Made as it is: to import it warns of a short one, and refuses what looks like a key, and the server has chosen it.
    raw = secret.encode()
    return _SecretKey(_joserfc().jwk.OctKey(raw, raw), algorithm)


def _signed(header: Mapping[str, Any], claims: Mapping[str, Any], key: Any) -> str:
    signed: str = _joserfc().jwt.encode(dict(header), dict(claims), key, registry=_registry())
    return signed


@cache
def _registry() -> Any:
    """Return the algorithms of joserfc, whose own list warns of EdDSA: it has another name since RFC 9864.

    Servers do not know that name yet; and to filter the warning would change filters for all threads.
    """
    registered: Any = _joserfc().jws.JWSRegistry

    class Registry(registered):  # type: ignore[misc]
        def get_alg(self, name: str) -> Any:
            return self.algorithms[name]

    return Registry()


def signer_of(key: "Signer | KeySource", algorithm: str | None = None, key_id: str | None = None) -> Signer:
    """Return *key* as something that signs: what is one already as it is, all else as a `SigningKey`."""
    if isinstance(key, str | bytes | os.PathLike | Mapping):
        return SigningKey(key, algorithm, key_id)
    _check_signer(key)
    if not (algorithm is None and key_id is None):
        raise ConfigurationError("A signer says its own alg and kid: leave out algorithm and key_id")
    return key


def _check_signer(key: Any) -> None:
    """Raise ConfigurationError unless *key* signs, and says by what; it is the user's own, and may fail."""
    try:
        check_methods(key, "key", Signer, "a private key as PEM text, JWK or path, or a signer")
        alg, kid = key.alg, key.kid
    except ConfigurationError:
        raise
    except Exception as reason:  # whatever that raises
        failure = ConfigurationError(f"The signer does not say its alg and kid: {type(reason).__name__}")
    else:
        check_text(alg, "alg of the signer")
        if kid is not None:
            check_text(kid, "kid of the signer")
        if alg.lower() not in {"", "none"}:
            return
        failure = ConfigurationError(f"alg of the signer is {alg!r}: give that by which it signs, such as ES256")
    raise failure


def _loaded(source: object) -> tuple[Mapping[str, Any], Any]:
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
    _joserfc()  # which brings cryptography, or says that it is missing
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
    return getattr(_joserfc().jwk, kinds[name])


def _algorithm(key: Any, wanted: object) -> str:
    """Return the algorithm to sign with, which has to be one for the key (RFC 7518 §3.1, RFC 8037 §3.1)."""
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


@discreet
def _joserfc() -> ModuleType:
    """Return the library that signs, which an extra brings."""
    try:
        import joserfc.jwk  # noqa: PLC0415  # of an extra
        import joserfc.jws  # noqa: PLC0415
        import joserfc.jwt  # noqa: PLC0415
    except ImportError:
        missing = ConfigurationError("To sign, dcrauth needs joserfc: pip install 'dcrauth[jwt]'")
    else:
        return joserfc
    raise missing
