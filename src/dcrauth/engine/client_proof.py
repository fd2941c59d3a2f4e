"""Proving a client: whether its server grants a token for it, without storing, registering or replacing anything."""

import secrets
import time
from collections.abc import Callable

from dcrauth._internal.arguments import wrong
from dcrauth._internal.confidential import discreet
from dcrauth.credentials import ClientCredentials
from dcrauth.engine import answers
from dcrauth.engine.instant import Instant
from dcrauth.engine.token_life import granted
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Moment, Problem, Provider, check_provider, run
from dcrauth.transports import Transport, check_transport, default_transport


@discreet
def prove_client(
    provider: Provider,
    client: ClientCredentials,
    *,
    transport: Transport | None = None,
    wall: Callable[[], float] = time.time,
) -> float:
    """Ask for a token with a client, once, to see whether its id and secret are good; may block.

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
        CredentialsRejected: the server does not know the client, or its secret is wrong.
        Rejected: the server has said no for another reason.
        Unavailable: there was no usable answer, which says nothing of the client.
    """
    check_provider(provider)
    if not isinstance(client, ClientCredentials):
        raise wrong("client", "a ClientCredentials(…)", client)
    if transport is not None:
        check_transport(transport)
    send = (default_transport() if transport is None else transport).send
    now = wall()
    result, request = run(provider.fetch_token(client, Moment(now, random=secrets.token_bytes(32))), send)
    found = result.value
    if not isinstance(found, Problem):
        return granted(found, Instant(now, 0.0), Policy()).life
    wait = answers.told_to_wait(found, now)
    problem = found if request is None else answers.without_secrets(found, request)
    endpoint = provider.token_url if request is None else request.endpoint
    raise answers.error_of(problem, endpoint, False, None if wait is None else now + wait)
