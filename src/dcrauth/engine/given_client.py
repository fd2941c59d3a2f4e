"""A client that is given: it is neither registered nor stored, and asked for again when the server refuses it.

So a secret that is rotated in a vault is used at once, also where the vault follows the server only after a refusal was
told. Its tokens are shared and renewed as those of any other client.
"""

import hashlib
from collections.abc import Callable
from typing import cast

from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.engine.effects import Now, RefusedGiven, RenewalContext, Sleep, Steps
from dcrauth.engine.instant import Instant
from dcrauth.engine.token_call import fetched
from dcrauth.errors import CredentialsRejected, DCRAuthError, ServerUnavailable
from dcrauth.providers.protocol import Provider

LOOK_AGAIN = 10.0
"""So many seconds after a refusal the credentials are asked for again: another program may have renewed them."""

_GIVEN = b"given"
"""Stands where another client has its record, as that which was refused once."""


def given_by(provider: Provider) -> Callable[[], ClientCredentials] | None:
    """Return what gives the client of *provider*; None if one has to be registered."""
    return cast("Callable[[], ClientCredentials] | None", getattr(provider, "given", None))


def fetched_for_given(context: RenewalContext, give: Callable[[], ClientCredentials]) -> Steps[AccessToken]:
    """Trade the given credentials for a token; where they are refused, ask for them again, after a moment.

    The same that were refused are not tried again for a while; since that is no call, others are soon looked for.

    Raises:
        CredentialsRejected: those that were given the second time are refused as well.
        ServerUnavailable: what gives them has failed.
    """
    client = asked_for(give)
    yield from _spared(context, client)
    # A renewal that has waited since the first refusal is begun anew: then this is the second attempt.
    if context.progress.refused is None:
        try:
            return (yield from fetched(context, client))
        except CredentialsRejected:
            context.progress.refused = _GIVEN
        yield Sleep(context.policy.least_pause * (1.0 + context.chance()))
        client = asked_for(give)
    try:
        return (yield from fetched(context, client))
    except CredentialsRejected as reason:
        refusal = reason
    now = yield Now()
    context.memory.refused_given = RefusedGiven(_digest(client), refusal, now.monotonic + context.policy.probe_after)
    raise _told(refusal, now)


def _spared(context: RenewalContext, client: ClientCredentials) -> Steps[None]:
    """Let nobody call the server with a client that it has refused a while ago.

    Raises:
        CredentialsRejected: what it has said then.
    """
    refused, now = context.memory.refused_given, (yield Now())
    if refused is not None and refused.digest == _digest(client) and now.monotonic < refused.until:
        raise _told(refused.refusal, now)


def _told(refusal: CredentialsRejected, now: Instant) -> CredentialsRejected:
    evidence = {**refusal.evidence, "retry_at": now.wall + LOOK_AGAIN}
    return CredentialsRejected(refusal.message, **evidence)


def _digest(client: ClientCredentials) -> bytes:
    return hashlib.sha256(f"{client.client_id}\0{client.client_secret}".encode("utf-8", "surrogatepass")).digest()


def asked_for(give: Callable[[], ClientCredentials]) -> ClientCredentials:
    """Return what *give* returns, which is the user's own code."""
    try:
        found: object = give()
    except DCRAuthError:
        raise
    except Exception as reason:
        failure = ServerUnavailable(f"What gives the client credentials has failed with {type(reason).__name__}")
    else:
        if isinstance(found, ClientCredentials):
            return found
        failure = ServerUnavailable(
            f"What gives the client credentials has returned a {type(found).__name__}: it must be ClientCredentials"
        )
    raise failure
