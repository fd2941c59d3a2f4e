"""How a client proves at the token endpoint who it is (RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2)."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol
from urllib.parse import quote_plus

from dcrauth._internal.arguments import shown, wrong
from dcrauth._internal.confidential import Confidential, confidential
from dcrauth.credentials import ClientCredentials
from dcrauth.errors import ConfigurationError, DCRAuthError
from dcrauth.providers.oauth.given_metadata import json_copy
from dcrauth.providers.protocol import Problem


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
            raise no_such(self, '"basic" or "post"', self.method)
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
            raise no_such(self, '"tls_client_auth" or "self_signed_tls_client_auth"', self.method)
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


def no_such(authentication: object, wanted: str, found: object) -> ConfigurationError:
    """Return the error for an argument of *authentication* that is not one of those *wanted*."""
    return ConfigurationError(f"{type(authentication).__name__} takes {wanted}, not {shown(str(found))}")


def method_answered(credentials: ClientCredentials, wanted: str | None) -> str:
    """Return the method that a client uses: as its registration was answered, else as was asked for, else Basic."""
    answered = (credentials.metadata or {}).get("token_endpoint_auth_method")
    return answered if isinstance(answered, str) and answered else wanted or "client_secret_basic"


def _basic(client: str, secret: str, *, raw: bool) -> str:
    """Return the header of Basic; id and secret are form-urlencoded first (RFC 6749 §2.3.1, Appendix B)."""
    pair = f"{client}:{secret}" if raw else f"{quote_plus(client)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(pair.encode()).decode("ascii")
