"""The life of a client that its server lets be managed: renewed, read, deleted (RFC 7592)."""

from dataclasses import replace

from dcrauth.credentials import ClientCredentials
from dcrauth.providers.answer_fields import is_success
from dcrauth.providers.oauth.calls import bearer, call, in_json
from dcrauth.providers.oauth.challenges import bearer_error
from dcrauth.providers.oauth.oauth_error import problem_in
from dcrauth.providers.oauth.registration import management_of, read_managed, update_fields
from dcrauth.providers.protocol import Flow, FlowResult, Problem, Response, asked

_NO_PUT = frozenset({400, 403, 404, 405, 501})
"""Answers to an update after which the client is read instead: some servers renew a secret by that alone."""


def updated(client: ClientCredentials) -> Flow[ClientCredentials] | None:
    """Return what has a secret renewed (§2.2); None where nobody has said how the client is managed."""
    return None if management_of(client) is None else _renewed(client)


def confirmed(client: ClientCredentials) -> Flow[ClientCredentials] | None:
    """Return what reads the client (§2.1); None as of `updated`."""
    place = management_of(client)
    if place is None:
        return None
    return asked(call(place[0], "GET", bearer(place[1])), lambda response: _read(response, client))


def unregistered(client: ClientCredentials) -> Flow[ClientCredentials] | None:
    """Return what deletes the client (§2.3); None as of `updated`."""
    place = management_of(client)
    if place is None:
        return None

    def understand(response: Response) -> ClientCredentials | Problem:
        return client if is_success(response) else _challenged(response, problem_in(response, "no deletion"))

    return asked(call(place[0], "DELETE", bearer(place[1])), understand)


def _renewed(client: ClientCredentials) -> Flow[ClientCredentials]:
    uri, token = management_of(client) or ("", "")
    response = yield in_json(uri, "PUT", update_fields(client), bearer(token))
    if response.status in _NO_PUT:
        response = yield call(uri, "GET", bearer(token))
    found = _read(response, client)
    if isinstance(found, Problem) or _differs(found, client):
        return FlowResult(found)
    untold = found.client_secret is None
    return FlowResult(Problem("the server has renewed nothing", status=response.status, final=untold))


def _read(response: Response, client: ClientCredentials) -> ClientCredentials | Problem:
    found = read_managed(response, client)
    return _challenged(response, found) if isinstance(found, Problem) else found


def _challenged(response: Response, problem: Problem) -> Problem:
    """Return *problem* with the code that a challenge for another token stands for if it has none (RFC 6750 §3)."""
    is_asked_for = response.status == 401 and bearer_error(response.headers.get("www-authenticate", "")) is not None
    return replace(problem, error=problem.error or "invalid_token", oauth=True) if is_asked_for else problem


def _differs(found: ClientCredentials, client: ClientCredentials) -> bool:
    secret = found.client_secret or client.client_secret
    return (secret, dict(found.metadata)) != (client.client_secret, dict(client.metadata))
