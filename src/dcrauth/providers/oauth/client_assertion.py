"""Assertions by which a client proves who it is: signed anew for each attempt (RFC 7523 §2.2, §3)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dcrauth._internal.arguments import check_seconds, check_text
from dcrauth._internal.confidential import discreet_constructor
from dcrauth.credentials import ClientCredentials
from dcrauth.providers.oauth.client_authentication import Occasion, Proof, UnfitSignature, no_such, without_secret
from dcrauth.providers.oauth.signing_key import KeySource, Signer, secret_key, signer_of

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523 §2.2."""

_JWT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
"""In compact form (RFC 7515 §7.1), and signed."""

_BACK = 10.0
"""So many seconds ago an assertion is dated: servers refuse what was made later than they think it is."""


@discreet_constructor
@dataclass(frozen=True)
class PrivateKeyJWT:
    r"""An assertion that is signed with a private key (RFC 7523 §2.2); each attempt has one of its own.

    Parameters:
        key: the private key as PEM text (PKCS #8, PKCS #1 or SEC 1), which may have ``\n`` for its line ends, or none;
            as a JWK (a mapping, or its JSON); as the path of a file with one of these; or an object with ``alg``,
            ``kid`` and ``sign(header, claims)``, such as a key in an HSM.
        audience: ``"issuer"``, ``"token_endpoint"``, or the text that the server wants as ``aud``. It is never found
            out by trying: each wrong one is an ``invalid_client``.
        lifetime: for how long an assertion is good, in seconds; many servers take no more than 300. It is dated ten
            seconds back, so that from its ``iat`` to its ``exp`` it is ten more.
        type: ``typ`` of its header.
        jwks_uri: where the server finds the public key; None registers the key itself, unless it is such an object.
        algorithm: RS256 to RS512, PS256 to PS512, ES256 to ES512 or EdDSA; None for what a JWK says, or else for RS256
            with an RSA key and the one that belongs to the curve of another.
        key_id: what the server knows the key by (``kid``); None for that of a JWK, "" for none.

    Raises:
        ConfigurationError: the key cannot be used, or an argument is of a kind that will not do.
    """

    key: "Signer | KeySource" = field(repr=False)
    audience: str = "issuer"
    lifetime: float = 60.0
    type: str = "JWT"
    jwks_uri: str | None = None
    algorithm: str | None = None
    key_id: str | None = None

    def __post_init__(self) -> None:
        for name in ("audience", "type"):
            check_text(getattr(self, name), name)
        check_seconds(self.lifetime, "lifetime")
        object.__setattr__(self, "key", signer_of(self.key, self.algorithm, self.key_id))

    @property
    def auth_method(self) -> str:
        """What a registration asks for."""
        return "private_key_jwt"

    @property
    def signs(self) -> bool:
        """It does."""
        return True

    @property
    def signer(self) -> Signer:
        """What signs."""
        return signer_of(self.key)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The algorithm, and where the public key is."""
        signer = self.signer
        found: dict[str, Any] = {"token_endpoint_auth_signing_alg": signer.alg}
        public = getattr(signer, "public_jwk", None)
        if self.jwks_uri:
            found["jwks_uri"] = self.jwks_uri
        elif public is not None:
            found["jwks"] = {"keys": [public]}
        return found

    def proof(self, credentials: ClientCredentials, occasion: Occasion) -> Proof:
        """Return an assertion for one attempt."""
        claims = _claims(credentials.client_id, _audience(self.audience, occasion), occasion, self.lifetime)
        return _assertion(self.signer, self.type, claims)


@dataclass(frozen=True)
class ClientSecretJWT:
    """An assertion that is signed with the secret which the server has given (OpenID Connect Core §9).

    Parameters:
        algorithm: HS256, HS384 or HS512.
        audience: as that of `PrivateKeyJWT`.
        lifetime: for how long an assertion is good, in seconds.

    Raises:
        ConfigurationError: the algorithm is another one, or an argument is of a kind that will not do.
    """

    algorithm: str = "HS256"
    audience: str = "issuer"
    lifetime: float = 60.0

    def __post_init__(self) -> None:
        if self.algorithm not in ("HS256", "HS384", "HS512"):
            raise no_such(self, "HS256, HS384 or HS512", self.algorithm)
        check_text(self.audience, "audience")
        check_seconds(self.lifetime, "lifetime")

    @property
    def auth_method(self) -> str:
        """What a registration asks for."""
        return "client_secret_jwt"

    @property
    def signs(self) -> bool:
        """It does."""
        return True

    @property
    def metadata(self) -> Mapping[str, Any]:
        """The algorithm."""
        return {"token_endpoint_auth_signing_alg": self.algorithm}

    def proof(self, credentials: ClientCredentials, occasion: Occasion) -> Proof:
        """Return an assertion for one attempt."""
        if not credentials.client_secret:
            raise without_secret()
        claims = _claims(credentials.client_id, _audience(self.audience, occasion), occasion, self.lifetime)
        return _assertion(secret_key(credentials.client_secret, self.algorithm), "JWT", claims)


def _audience(wanted: str, occasion: Occasion) -> str:
    if wanted == "issuer":
        return occasion.issuer or occasion.token_endpoint
    return occasion.token_endpoint if wanted == "token_endpoint" else wanted


def _claims(client: str, audience: str, occasion: Occasion, lifetime: float) -> dict[str, Any]:
    """Return the claims of an assertion (RFC 7523 §3), without ``nbf``, which is refused by clocks that are behind."""
    return {
        "iss": client,
        "sub": client,
        "aud": audience,
        "iat": int(occasion.now - _BACK),
        "exp": int(occasion.now + lifetime),
        "jti": occasion.jti,
    }


def _assertion(signer: Signer, kind: str, claims: Mapping[str, Any]) -> Proof:
    header = {"alg": signer.alg, "typ": kind} | ({"kid": signer.kid} if signer.kid else {})
    signed: object = signer.sign(header, claims)
    if not isinstance(signed, str) or not _JWT.fullmatch(signed):
        kind = "text that is no JWT" if isinstance(signed, str) else f"a {type(signed).__name__}"
        raise UnfitSignature(f"What signs has returned {kind}; it must be a signed JWT in compact form, as text")
    client = str(claims["sub"])
    return Proof(form={"client_id": client, "client_assertion_type": ASSERTION_TYPE, "client_assertion": signed})
