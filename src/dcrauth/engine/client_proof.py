"""Proving a client: whether its server grants a token for it, without storing, registering or replacing anything."""

import secrets
import time
from collections.abc import Callable

from dcrauth._internal.arguments import wrong
from dcrauth._internal.confidential import discreet
from dcrauth.credentials import ClientCredentials
from dcrauth.engine import answer_errors, answer_secrets, answers
from dcrauth.engine.endpoint_calls import skew_told
from dcrauth.engine.instant import Instant
from dcrauth.engine.token_life import granted
from dcrauth.errors import CredentialsRejected
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Moment, Problem, Provider, Request, Response, check_provider, run
from dcrauth.transports import Transport, check_transport, default_transport


@discreet
def prove_client(
    provider: Provider,
    client: ClientCredentials,
    *,
    transport: Transport | None = None,
    wall: Callable[[], float] = time.time,
) -> float:
    """Ask for a token with a client, to see whether its id and secret are good; may block.

    A client that signs is tried twice: the first answer tells the server's time, which may be another one.

    The token is kept nowhere, and nothing is registered, whatever the answer: so a client that was made by hand is
    proved before it is imported, and before a request replaces it.

    Parameters:
        provider: where it is registered.
        client: its id and secret.
        transport: what calls the server; by default one on the first HTTP library that is installed.
        wall: the wall clock, in seconds since the epoch.

    Returns:
        For how many seconds the token is good.

    Raises:
        ConfigurationError: an argument is wrong.
        CredentialsRejected: the server does not know the client, or its secret is wrong; or, of one that signs, the
            key, the audience or the clock.
        Rejected: the server has said no for another reason.
        Unavailable: there was no usable answer, which says nothing of the client.
    """
    check_provider(provider)
    if not isinstance(client, ClientCredentials):
        raise wrong("client", "a ClientCredentials(…)", client)
    if transport is not None:
        check_transport(transport)
    line = _Line((default_transport() if transport is None else transport).send, wall)
    signs = not getattr(provider, "condemns", True)
    try:
        return _proved(provider, client, line)
    except CredentialsRejected:
        if not signs:
            raise
    try:
        return _proved(provider, client, line)  # signed anew, by the time that the answer has told
    except CredentialsRejected as refusal:
        doubt = answer_errors.not_proved(refusal, line.skew)
    raise doubt


class _Line:
    """Sends calls by *send*, and learns from each answer by how many seconds the *wall* clock is ahead."""

    def __init__(self, send: Callable[[Request], Response], wall: Callable[[], float]) -> None:
        self._send, self.wall, self.skew = send, wall, 0.0

    def send(self, request: Request) -> Response:
        sent = self.wall()
        response = self._send(request)
        told = skew_told(response, sent, self.wall())
        self.skew = self.skew if told is None else told
        return response


def _proved(provider: Provider, client: ClientCredentials, line: _Line) -> float:
    now = line.wall()
    flow = provider.fetch_token(client, Moment(now, line.skew, secrets.token_bytes(32)))
    result, request = run(flow, line.send)
    found = result.value
    if not isinstance(found, Problem):
        return granted(found, Instant(now, 0.0), Policy()).life
    wait = answers.told_to_wait(found, now)
    problem = found if request is None else answer_secrets.without_secrets(found, request)
    endpoint = provider.token_url if request is None else request.endpoint
    raise answer_errors.error_of(problem, endpoint, False, None if wait is None else now + wait)
