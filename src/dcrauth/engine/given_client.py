"""A client that is given: it is neither registered nor stored, and asked for again when the server refuses it.

So a secret that is rotated in a vault is used at once. Its tokens are shared and renewed as those of any other client.
"""

from collections.abc import Callable
from typing import cast

from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.engine.effects import RenewalContext, Sleep, Steps
from dcrauth.engine.token_call import fetched
from dcrauth.errors import CredentialsRejected, DCRAuthError, ServerUnavailable
from dcrauth.providers.protocol import Provider

_GIVEN = b"given"
"""Stands where another client has its record, as that which was refused once."""


def given_by(provider: Provider) -> Callable[[], ClientCredentials] | None:
    """Return what gives the client of *provider*; None if one has to be registered."""
    return cast("Callable[[], ClientCredentials] | None", getattr(provider, "given", None))


def fetched_for_given(context: RenewalContext, give: Callable[[], ClientCredentials]) -> Steps[AccessToken]:
    """Trade the given credentials for a token; where they are refused, ask for them again, after a moment.

    Raises:
        CredentialsRejected: those that were given the second time are refused as well.
        ServerUnavailable: what gives them has failed.
    """
    try:
        return (yield from fetched(context, asked_for(give)))
    except CredentialsRejected:
        # The renewal may have waited since the first refusal, and been begun anew: then this was the second one.
        if context.progress.refused is not None:
            raise
    context.progress.refused = _GIVEN
    yield Sleep(context.policy.least_pause * (1.0 + context.chance()))
    return (yield from fetched(context, asked_for(give)))


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
        failure = ServerUnavailable(f"What gives the client credentials has returned a {type(found).__name__}")
    raise failure
