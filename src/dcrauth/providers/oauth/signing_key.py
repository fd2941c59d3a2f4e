"""What signs: a private key, a secret that is shared with the server, or something of the user's own."""

import os
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Protocol, TypeAlias

from dcrauth._internal.arguments import check_methods, check_text
from dcrauth._internal.confidential import Confidential, confidential, discreet_constructor
from dcrauth.errors import ConfigurationError
from dcrauth.providers.oauth.jose import signed_jwt, signing_library
from dcrauth.providers.oauth.private_key import algorithm_for, loaded

KeySource: TypeAlias = "str | bytes | os.PathLike[str] | Mapping[str, Any]"


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
        stated, key = loaded(self.source)
        object.__setattr__(self, "source", "")
        object.__setattr__(self, "_key", key)
        object.__setattr__(self, "alg", algorithm_for(key, self.algorithm or stated.get("alg")))
        kid = stated.get("kid") if self.key_id is None else self.key_id
        object.__setattr__(self, "kid", kid or None)

    def sign(self, header: Mapping[str, Any], claims: Mapping[str, Any]) -> str:
        """Return *claims* as a signed JWT in compact form."""
        return signed_jwt(header, claims, self._key)

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
        return signed_jwt(header, claims, self.key)


def secret_key(secret: str, algorithm: str) -> Signer:
    """Return what signs with a secret that is shared with the server.

    Parameters:
        algorithm: HS256, HS384 or HS512.
    """
    # Made as it is: to import it warns of a short one, and refuses what looks like a key, and the server has chosen it.
    raw = secret.encode()
    return _SecretKey(signing_library().jwk.OctKey(raw, raw), algorithm)


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
