"""Who calls the token endpoint: RFC 6749 §2.3, RFC 7523 §2.2, RFC 8705 §2.1."""

from collections.abc import Callable, Mapping
from urllib.parse import unquote_plus

from dcrauth.simulator.oauth import assertions
from dcrauth.simulator.oauth.asked import Asked
from dcrauth.simulator.oauth.certificates import fits
from dcrauth.simulator.oauth.clients import OAuthClient
from dcrauth.simulator.oauth.refused import Refused

_SECRET = ("client_secret_basic", "client_secret_post")


def authenticated(asked: Asked) -> OAuthClient:
    """Return the client that calls.

    Raises:
        Refused: it is not known, does not show who it is, or does so in another way than it may.
    """
    call, parameters = asked.call, asked.call.parameters
    used = [call.basic is not None, "client_secret" in parameters, "client_assertion" in parameters]
    if sum(used) > 1:
        raise Refused("invalid_request", "A client uses one method of authentication, and not several")
    if "client_secret" in call.query:
        raise Refused("invalid_request", "client_secret must not be in the URL")
    return _WAYS[call.authentication](asked)


def refused(why: str, asked: Asked) -> Refused:
    """Return the refusal of a client that is not authenticated (RFC 6749 §5.2)."""
    behaviour = asked.behaviour
    scheme = {"matching": "Basic" if asked.call.basic is not None else "", "basic": "Basic", "bearer": "Bearer"}.get(
        behaviour.invalid_client_challenge, ""
    )
    told = f'error="{behaviour.invalid_client}"' if scheme == "Bearer" else 'realm="clients"'
    headers = (("WWW-Authenticate", f"{scheme} {told}"),) if scheme else ()
    return Refused(behaviour.invalid_client, why, status=behaviour.invalid_client_status, headers=headers)


def _by_basic(asked: Asked) -> OAuthClient:
    client_id, secret = asked.call.basic or ("", "")
    if asked.behaviour.basic_encoding == "form":
        client_id, secret = unquote_plus(client_id), unquote_plus(secret)
    if asked.call.parameters.get("client_id", client_id) != client_id:
        raise Refused("invalid_request", "client_id in the body is another than in the Authorization header")
    return _with_secret(client_id, secret, "client_secret_basic", asked)


def _by_post(asked: Asked) -> OAuthClient:
    parameters = asked.call.parameters
    return _with_secret(parameters.get("client_id", ""), parameters["client_secret"], "client_secret_post", asked)


def _with_secret(client_id: str, secret: str, method: str, asked: Asked) -> OAuthClient:
    client = _known(client_id, asked)
    allowed = (client.method,) if asked.behaviour.enforce_method else _SECRET
    if client.method not in _SECRET or method not in allowed:
        raise refused(f"The client is registered for {client.method}, not for {method}", asked)
    if secret in client.secrets(asked.now):
        return client
    ended = client.secret is not None and secret == client.secret.value
    raise refused("The client's secret has ended" if ended else "The client has another secret", asked)


def _by_assertion(asked: Asked) -> OAuthClient:
    client = _known(asked.call.client_id, asked)
    if client.method not in {"private_key_jwt", "client_secret_jwt"}:
        raise refused(f"The client is registered for {client.method}, not for assertions", asked)
    why = assertions.wrong_with(client, asked)
    if why is not None:
        raise refused(why, asked)
    return client


def _by_certificate(asked: Asked) -> OAuthClient:
    client = _known(asked.call.client_id, asked)
    if client.method == "none":
        return client
    if client.method != "tls_client_auth" or not fits(asked.call.certificate, client.metadata):
        raise refused(f"The certificate is not that of the client, which is registered for {client.method}", asked)
    return client


def _by_nothing(asked: Asked) -> OAuthClient:
    client = _known(asked.call.client_id, asked)
    if client.method != "none":
        raise refused(f"The client is registered for {client.method}, and shows nothing", asked)
    return client


def _known(client_id: str, asked: Asked) -> OAuthClient:
    client = asked.registry.client(client_id)
    if client is None:
        raise refused("No client has this client_id" if client_id else "The call names no client", asked)
    return client


_WAYS: Mapping[str, Callable[[Asked], OAuthClient]] = {
    "client_secret_basic": _by_basic,
    "client_secret_post": _by_post,
    "client_assertion": _by_assertion,
    "tls_client_auth": _by_certificate,
    "none": _by_nothing,
}
