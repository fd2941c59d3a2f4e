"""How a client proves at the token endpoint who it is (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2)."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import quote_plus

from dcrauth._internal.arguments import check_seconds, check_text, shown, wrong
from dcrauth._internal.confidential import Confidential, confidential, discreet_constructor
from dcrauth.credentials import ClientCredentials
from dcrauth.errors import ConfigurationError, DCRAuthError
from dcrauth.providers.oauth.given_metadata import json_copy
from dcrauth.providers.oauth.signing_key import KeySource, Signer, secret_key, signer_of
from dcrauth.providers.protocol import Problem

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
"""RFC 7523 §2.2."""

_JWT = re.compile(r"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+){2}")
"""In compact form (RFC 7515 §7.1), and signed."""

_BACK = 10.0
"""So many seconds ago an assertion is dated: servers refuse what was made later than they think it is."""


@confidential
class Proof(Confidential):
    """What a token request has beside the grant, so that the server knows which client it is from.

    Parameters:
        headers: header fields.
        form: fields of the body.
    """

    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    form: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Occasion:
    """What an assertion is made for.

    Parameters:
        issuer: the server, by the name that it has for itself.
        token_endpoint: where it is sent.
        now: the server's time, in seconds since the epoch, as far as it is known.
        jti: what no other assertion has (RFC 7519 §4.1.7).
    """

    issuer: str
    token_endpoint: str
    now: float
    jti: str


class ClientAuthentication(Protocol):
    """A way to prove it."""

    @property
    def auth_method(self) -> str | None:
        """What a registration asks for as ``token_endpoint_auth_method``; None leaves that to the server."""
        ...

    @property
    def signs(self) -> bool:
        """Whether ``invalid_client`` says little: it is also the answer to a wrong clock, key or audience."""
        ...

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What a registration says of it beside the method (RFC 7591 §2)."""
        ...

    def proof(self, credentials: ClientCredentials, occasion: Occasion) -> Proof:
        """Return what goes along with one attempt of a token call."""
        ...


@dataclass(frozen=True)
class ClientSecret:
    """The secret that the server has given, by Basic or in the body, as the answer to the registration says.

    Parameters:
        method: ``"basic"`` or ``"post"``, to ask for that one and to use it unless the answer names another; None for
            what the answer names, or else Basic (RFC 7591 §2).
        raw_basic: whether id and secret go into Basic as they are. They are encoded first otherwise, as RFC 6749 §2.3.1
            says; some servers do not decode them.

    Raises:
        ConfigurationError: the method is another one.
    """

    method: Literal["basic", "post"] | None = None
    raw_basic: bool = False

    def __post_init__(self) -> None:
        if self.method not in (None, "basic", "post"):
            raise _no_such(self, '"basic" or "post"', self.method)
        if not isinstance(self.raw_basic, bool):
            raise wrong("raw_basic", "True or False", self.raw_basic)

    @property
    def auth_method(self) -> str | None:
        """What a registration asks for."""
        return self.method and f"client_secret_{self.method}"

    @property
    def signs(self) -> bool:
        """It does not."""
        return False

    @property
    def metadata(self) -> Mapping[str, Any]:
        """There is nothing to say."""
        return {}

    def proof(self, credentials: ClientCredentials, occasion: Occasion) -> Proof:  # noqa: ARG002  # as the others
        """Return the secret where the server wants it."""
        client, secret = credentials.client_id, credentials.client_secret
        if not secret:
            return Proof(form={"client_id": client})
        if method_answered(credentials, self.auth_method) == "client_secret_post":
            return Proof(form={"client_id": client, "client_secret": secret})
        return Proof(headers={"Authorization": _basic(client, secret, raw=self.raw_basic)})


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
            raise _no_such(self, "HS256, HS384 or HS512", self.algorithm)
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


_ONE_OF = (
    ("jwks", "jwks_uri"),
    (*(f"tls_client_auth_san_{kind}" for kind in ("dns", "uri", "ip", "email")), "tls_client_auth_subject_dn"),
)
"""What a registration says of a certificate in one way at most (RFC 8705 §2.1.2, RFC 7591 §2)."""


@dataclass(frozen=True)
class MutualTLS:
    """A client certificate, which the transport shows (RFC 8705 §2); tokens may be bound to it.

    Parameters:
        method: ``"tls_client_auth"``, where the server knows the subject and trusts the authority, or
            ``"self_signed_tls_client_auth"``, where it knows the certificate itself.
        metadata: what a registration says of the certificate: exactly one of ``tls_client_auth_subject_dn``,
            ``…_san_dns``, ``…_san_uri``, ``…_san_ip``, ``…_san_email``, or ``jwks`` or ``jwks_uri`` (RFC 8705 §2.1.2,
            §2.2.2).

    Raises:
        ConfigurationError: the method is another one, or *metadata* say the same in two ways.
    """

    method: str = "tls_client_auth"
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.method not in ("tls_client_auth", "self_signed_tls_client_auth"):
            raise _no_such(self, '"tls_client_auth" or "self_signed_tls_client_auth"', self.method)
        if not isinstance(self.metadata, Mapping):
            raise wrong(
                "metadata", "a mapping such as {'tls_client_auth_san_dns': 'client.example.com'}", self.metadata
            )
        object.__setattr__(self, "metadata", json_copy(self.metadata, "metadata of MutualTLS"))
        for names in _ONE_OF:
            if len(found := [name for name in names if self.metadata.get(name)]) > 1:
                raise ConfigurationError(f"metadata of MutualTLS has {' and '.join(found)}: give one of them")

    @property
    def auth_method(self) -> str:
        """What a registration asks for."""
        return self.method

    @property
    def signs(self) -> bool:
        """It does, in the handshake."""
        return True

    def proof(self, credentials: ClientCredentials, occasion: Occasion) -> Proof:  # noqa: ARG002  # as the others
        """Return the client's id: the certificate is shown before."""
        return Proof(form={"client_id": credentials.client_id})


def proved(by: ClientAuthentication, credentials: ClientCredentials, occasion: Occasion) -> Proof | Problem:
    """Return the proof for one attempt; what makes it may be the user's own code, or call a service, and may fail."""
    try:
        found: object = by.proof(credentials, occasion)
    except UnfitSignature as reason:
        return Problem(str(reason))
    except DCRAuthError:
        raise
    except Exception as reason:  # whatever that raises
        return Problem(f"What the client proves itself by has failed with {type(reason).__name__}")
    if isinstance(found, Proof):
        return found
    return Problem(f"What the client proves itself by has returned a {type(found).__name__}, and no Proof")


class UnfitSignature(ValueError):
    """What a signer has returned is no JWT."""


def without_secret() -> ConfigurationError:
    """Return the error for a client without the secret by which it is to prove itself."""
    return ConfigurationError(
        "client has no client_secret: give it, or another client_authentication such as PrivateKeyJWT(key)"
    )


def _no_such(authentication: object, wanted: str, found: object) -> ConfigurationError:
    return ConfigurationError(f"{type(authentication).__name__} takes {wanted}, not {shown(str(found))}")


def method_answered(credentials: ClientCredentials, wanted: str | None) -> str:
    """Return the method that a client uses: as its registration was answered, else as was asked for, else Basic."""
    answered = (credentials.metadata or {}).get("token_endpoint_auth_method")
    return answered if isinstance(answered, str) and answered else wanted or "client_secret_basic"


def _basic(client: str, secret: str, *, raw: bool) -> str:
    """Return the header of Basic; id and secret are form-urlencoded first (RFC 6749 §2.3.1, Appendix B)."""
    pair = f"{client}:{secret}" if raw else f"{quote_plus(client)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")


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
