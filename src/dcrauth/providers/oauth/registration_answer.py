"""What the answer to a registration rules over (RFC 7591 §3.2.1): the scopes, and how the client proves itself."""

from dataclasses import replace

from dcrauth._internal.strict_json import printable
from dcrauth.credentials import ClientCredentials
from dcrauth.errors import ConfigurationError
from dcrauth.providers.oauth.client_authentication import ClientAuthentication, ClientSecret, MutualTLS
from dcrauth.providers.oauth.discovery import Endpoints
from dcrauth.providers.oauth.registration_request import SECRETS
from dcrauth.providers.oauth.token_request import Wanted
from dcrauth.providers.protocol import Problem

_ALIKE = (
    frozenset({"client_secret_basic", "client_secret_post", "none"}),
    frozenset({"tls_client_auth", "self_signed_tls_client_auth"}),
)
"""Methods of which a client that is made for one has what it needs for the others."""

_OF_THE_TRANSPORT = (
    "the client proves itself by the certificate of the transport (client_certificate=…): see that it has the one "
    "which the server knows"
)
_OF_THE_CLIENT = frozenset({"invalid_client", "unauthorized_client", "invalid_request"})


def as_granted(wanted: Wanted, client: ClientCredentials) -> Wanted:
    """Return *wanted* with those of its scopes that the answer grants, if that says which these are.

    Where it grants none of them, they are asked for all the same: a token without any would be good for nothing, and
    the server's refusal says why.
    """
    granted = client.metadata.get("scope")
    if not isinstance(granted, str):
        return wanted
    kept = tuple(each for each in wanted.scopes if each in granted.split())
    return replace(wanted, scopes=kept) if kept else wanted


def check_provable(by: ClientAuthentication, client: ClientCredentials) -> None:
    """Raise ConfigurationError for a client that has only a secret, and is to prove itself by something else.

    Nothing is sent then: the refusal would seem to say that the client is gone.
    """
    told = None if by.signs else _difference(by, client)
    if told is not None:
        raise ConfigurationError(f"client_authentication does not fit the client: {told}")


def explained(problem: Problem, by: ClientAuthentication, client: ClientCredentials, endpoints: Endpoints) -> Problem:
    """Return the *problem* with a token call, which may be that the client proves itself by another method."""
    if problem.error not in _OF_THE_CLIENT:
        return problem
    shown = _OF_THE_TRANSPORT if isinstance(by, MutualTLS) and problem.error == "invalid_client" else None
    told = _difference(by, client) or _signed_otherwise(by, endpoints) or shown
    return problem if told is None else replace(problem, reason=f"{problem.reason}: {told}")


def _signed_otherwise(by: ClientAuthentication, endpoints: Endpoints) -> str | None:
    """Return what is wrong with the algorithm that signs where the server's metadata name others."""
    algorithm, known = by.metadata.get("token_endpoint_auth_signing_alg"), endpoints.signing_algorithms
    if algorithm is None or not known or algorithm in known:
        return None
    return f"the server takes assertions signed by {printable(', '.join(known))}, and these are signed by {algorithm}"


def unregistrable(problem: Problem, by: ClientAuthentication, endpoints: Endpoints) -> Problem:
    """Return the *problem* with a registration, which may be for a method that the server does not know."""
    if problem.error != "invalid_client_metadata":
        return problem
    told = _unknown_method(by, endpoints) or _signed_otherwise(by, endpoints)
    return problem if told is None else replace(problem, reason=f"{problem.reason}: {told}")


def _unknown_method(by: ClientAuthentication, endpoints: Endpoints) -> str | None:
    known = endpoints.auth_methods
    asked_for = SECRETS if by.auth_method is None else (by.auth_method,)
    if not known or not set(known).isdisjoint(asked_for):
        return None
    return f"the server knows {printable(', '.join(known))}, and client_authentication is {type(by).__name__}"


def _difference(by: ClientAuthentication, client: ClientCredentials) -> str | None:
    answered = client.metadata.get("token_endpoint_auth_method")
    ours = by.auth_method or ("client_secret_basic" if isinstance(by, ClientSecret) else None)
    if not isinstance(answered, str) or not answered or ours is None or _will_do(ours, answered):
        return None
    return (
        f"the server has registered the client for {answered}, and its client_authentication is {ours}: give "
        f"one that is {answered}"
    )


def _will_do(ours: str, answered: str) -> bool:
    return ours == answered or any(ours in each and answered in each for each in _ALIKE)
