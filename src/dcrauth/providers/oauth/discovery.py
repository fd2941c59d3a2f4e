"""Discovery: where an authorization server says what its endpoints are (RFC 8414, OpenID Connect Discovery)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from dcrauth._internal.strict_json import json_object, printable
from dcrauth.errors import ConfigurationError
from dcrauth.providers.origins import secure_url

OAUTH = "oauth-authorization-server"
OPENID = "openid-configuration"
WELL_KNOWN = (OAUTH, OPENID)


class UnfitMetadata(ValueError):
    """A whole document says what must not be used: it is another server's, or would have a secret sent in the clear."""


@dataclass(frozen=True)
class Endpoints:
    """What a server says of itself, as far as a client needs it.

    Parameters:
        token: the token endpoint.
        registration: the registration endpoint; None where there is no registration.
        issuer: the server's own name.
        auth_methods: how clients may authenticate; None where it does not say.
        signing_algorithms: by which assertions may be signed; None where it does not say.
        scopes: which it knows; None where it does not say.
        aliases: the endpoints for clients with a certificate, by name (RFC 8705 §5).
    """

    token: str
    registration: str | None = None
    issuer: str = ""
    auth_methods: tuple[str, ...] | None = None
    signing_algorithms: tuple[str, ...] | None = None
    scopes: tuple[str, ...] | None = None
    aliases: Mapping[str, str] | None = None

    def for_certificate(self) -> "Endpoints":
        """Return the endpoints for a client that shows a certificate."""
        found = self.aliases or {}
        return replace(
            self,
            token=found.get("token_endpoint", self.token),
            registration=found.get("registration_endpoint", self.registration),
        )


def well_known_urls(issuer: str, kinds: Sequence[str] = WELL_KNOWN) -> list[str]:
    """Return where the metadata of *issuer* may be, the likeliest first.

    The name goes between host and path (RFC 8414 §3.1); that of OpenID at the end as well (OpenID Connect Discovery 1.0
    §4).
    """
    parts = urlsplit(issuer)
    path = parts.path.removesuffix("/")
    found = [urlunsplit((parts.scheme, parts.netloc, f"/.well-known/{kind}{path}", "", "")) for kind in kinds]
    if OPENID in kinds and path:
        found.append(urlunsplit((parts.scheme, parts.netloc, f"{path}/.well-known/{OPENID}", "", "")))
    return found


def endpoints_in(body: bytes, issuer: str) -> Endpoints:
    """Return what a metadata document says.

    Parameters:
        body: the document.
        issuer: whose it has to be, letter for letter (RFC 8414 §3.3).

    Raises:
        ValueError: it is no such document, that of another issuer, or names an endpoint that no secret may go to. The
            text says which, and holds nothing else of the document.
    """
    try:
        found = json_object(body)
    except ValueError:
        found = None
    if found is None:
        raise ValueError("the metadata is no JSON object")
    _check_issuer(found.get("issuer"), issuer)
    token = _endpoint(found, "token_endpoint")
    if token is None:
        raise ValueError("the metadata names no token_endpoint")
    return Endpoints(
        token,
        _endpoint(found, "registration_endpoint"),
        issuer,
        _texts(found.get("token_endpoint_auth_methods_supported")),
        _texts(found.get("token_endpoint_auth_signing_alg_values_supported")),
        _texts(found.get("scopes_supported")),
        _aliases(found.get("mtls_endpoint_aliases")),
    )


def _check_issuer(found: object, issuer: str) -> None:
    if found == issuer:
        return
    shown = printable(found) or "no issuer at all"
    told = f"the metadata is that of {shown}, not of {issuer}"
    if isinstance(found, str) and found.rstrip("/") == issuer.rstrip("/"):
        told += "; they differ by a slash at the end: give the issuer just as the server writes it"
    raise UnfitMetadata(told) if isinstance(found, str) and found else ValueError(told)


def _endpoint(found: Mapping[str, Any], name: str) -> str | None:
    url = found.get(name)
    if url in (None, ""):
        return None
    if not isinstance(url, str):
        raise ValueError(f"the metadata's {name} is no text")
    try:
        secure_url(url.partition("?")[0], name)
    except ConfigurationError as reason:
        failure = UnfitMetadata(f"the metadata's {reason.message}")
    else:
        return url
    raise failure


def _aliases(found: object) -> Mapping[str, str]:
    if not isinstance(found, Mapping):
        return {}
    urls = {name: _endpoint(found, name) for name in ("token_endpoint", "registration_endpoint")}
    return {name: url for name, url in urls.items() if url is not None}


def _texts(found: object) -> tuple[str, ...] | None:
    if not isinstance(found, list):
        return None
    return tuple(each for each in found if isinstance(each, str))
