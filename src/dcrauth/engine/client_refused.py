"""What is done after ``invalid_client``: read again, ask once more, and only then register anew, if that may be.

The same where a protected API refuses fresh tokens because of their client.
"""

from dcrauth import events
from dcrauth._internal.confidential import replaced
from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.engine import answer_errors, rules
from dcrauth.engine.client_updated import is_gone, is_settled_by, renewed
from dcrauth.engine.effects import (
    Emit,
    Now,
    RenewalContext,
    Replace,
    ReportOutcome,
    Sleep,
    Steps,
    Suspicion,
)
from dcrauth.engine.management_problems import UNMANAGED
from dcrauth.engine.records import StoredCredentials, write_credentials
from dcrauth.engine.registration import client_of, confirmed, new_credentials
from dcrauth.engine.store_repair import kept_aside, noted, read
from dcrauth.engine.token_call import fetched
from dcrauth.errors import (
    CredentialsRejected,
    RegistrationRejected,
    ServerUnavailable,
)
from dcrauth.providers.protocol import Problem


def recovered(context: RenewalContext, client: StoredCredentials, refusal: CredentialsRejected) -> Steps[AccessToken]:
    """Get a token although the server did not recognise the client: first doubt, then confirm, then register anew."""
    context.found.clear()  # that was before the call
    latest = yield from client_of(context)
    if latest.data != client.data:
        return (yield from fetched_by_another(context, latest.credentials))
    if context.progress.refused != client.data:
        context.progress.refused = client.data
        yield Sleep(context.policy.least_pause * (1.0 + context.chance()))
        try:
            return (yield from fetched(context, client.credentials))
        except CredentialsRejected as again:
            refusal = again
    successor = yield from examined(context, client, refusal)
    if successor.credentials.client_secret != client.credentials.client_secret:
        return (yield from fetched_by_another(context, successor.credentials))
    client = successor
    objection = yield from objection_to(context, client, refusal)
    if objection is not None:
        raise objection
    successor = yield from succeeded(context, client)
    return (yield from fetched_by_another(context, successor.credentials))


def examined(
    context: RenewalContext, client: StoredCredentials, refusal: CredentialsRejected
) -> Steps[StoredCredentials]:
    """Find out what a refusal is worth, where there are ways to: the server may say more, or have another secret.

    The secret may have ended, or been renewed by a call whose answer was lost.

    Returns:
        The client with another secret; or as it is, if the refusal is to be believed.

    Raises:
        CredentialsRejected: the client lives, or nothing proves that it does not.
        ServerUnavailable: the server was to say more, and could not.
    """
    end, servers_now = client.credentials.expires_at, (yield Now()).wall - context.memory.skew
    if getattr(context.provider, "condemns", True) or (end is not None and servers_now >= end):
        outcome = yield from renewed(context, client)
        if not settles(context, client, outcome):
            raise answer_errors.unexamined(refusal, outcome if isinstance(outcome, Problem) else None)
        return outcome if isinstance(outcome, StoredCredentials) else client
    answer = yield from is_gone(context, client)
    if answer is True:
        return client
    doubt = answer if isinstance(answer, Problem) and answer is not UNMANAGED else None
    raise answer_errors.not_condemned(refusal, context.memory.skew, doubt)


def settles(context: RenewalContext, client: StoredCredentials, outcome: StoredCredentials | Problem | None) -> bool:
    """Return whether the *outcome* of asking for another secret leaves nothing open: the same one, told again, does."""
    if outcome is None or context.progress.is_untold:
        return True
    if isinstance(outcome, Problem):
        return is_settled_by(outcome)
    return outcome.credentials.client_secret != client.credentials.client_secret


def fetched_by_another(context: RenewalContext, credentials: ClientCredentials) -> Steps[AccessToken]:
    """Trade the credentials that came in the place of refused ones: as long as they are new, no refusal is believed."""
    try:
        return (yield from fetched(context, credentials))
    except CredentialsRejected as reason:
        refusal = reason
    now = yield Now()
    until = credentials.registered_at + context.policy.settling
    raise answer_errors.unsettled(refusal, until) if rules.is_settling(credentials, now, context.policy) else refusal


def doubted(context: RenewalContext, client: StoredCredentials, suspicion: Suspicion) -> Steps[StoredCredentials]:
    """Register anew for a client whose fresh tokens a protected API refuses, if that may be; else go on with it.

    Only a renewal that one more refusal asks for does so, and soon: a suspicion that nothing has followed is dropped.
    """
    now = yield Now()
    if now.monotonic >= suspicion.until or not getattr(context.provider, "condemns", True):
        return client
    refusal = CredentialsRejected("A protected API refuses the fresh tokens of this client")
    objection = yield from objection_to(context, client, refusal)
    if objection is not None:
        return client
    try:
        return (yield from succeeded(context, client))
    except RegistrationRejected:
        return client


def objection_to(
    context: RenewalContext, client: StoredCredentials, refusal: CredentialsRejected
) -> Steps[CredentialsRejected | ServerUnavailable | None]:
    """Return what speaks against a registration in the place of a refused client, if anything does."""
    now = yield Now()
    if rules.is_settling(client.credentials, now, context.policy):
        return answer_errors.unsettled(refusal, client.credentials.registered_at + context.policy.settling)
    refused, asked = yield ReportOutcome(context.identity.key, refused=True)
    if rules.is_incident(refused, asked):
        yield Emit(events.RegistrationHalted(context.name, refused, asked))
        return answer_errors.halted(refusal, refused, asked)
    return None if rules.may_register_again(client.credentials, now, context.policy) else refusal


def succeeded(context: RenewalContext, client: StoredCredentials) -> Steps[StoredCredentials]:
    """Put a new registration in the place of a refused one, and keep the old pair aside."""
    found = yield from read(context)  # what cannot be read cannot be replaced: then nothing is registered
    if found is None or found.data != client.data:
        # A peer was faster, or the store has lost the record meanwhile.
        if isinstance(found, StoredCredentials) and found.generation >= client.generation:
            yield from noted(context, found)
            return found
        return (yield from client_of(context))
    yield from kept_aside(context, client)
    credentials = yield from new_credentials(context, client.data)
    credentials = replaced(credentials, replaced_at=credentials.registered_at)
    key = context.identity.credentials
    fresh = write_credentials(key, credentials, client.generation + 1)
    won = yield Replace(key, fresh.data, client.data)
    found = yield from confirmed(context, fresh, won)
    if won:
        yield Emit(events.CredentialsReplaced(context.name))
    return found
