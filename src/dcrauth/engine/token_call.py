"""Trading client credentials for a token."""

from dcrauth import events
from dcrauth.credentials import AccessToken, ClientCredentials
from dcrauth.engine import rules, token_life
from dcrauth.engine.effects import (
    Emit,
    RenewalContext,
    ReportOutcome,
    Steps,
)
from dcrauth.engine.endpoint_calls import answered
from dcrauth.errors import (
    CredentialsRejected,
)


def fetched(context: RenewalContext, credentials: ClientCredentials) -> Steps[AccessToken]:
    """Trade the client credentials for a token."""
    provider = context.provider
    try:
        answer = yield from answered(context, lambda moment: provider.fetch_token(credentials, moment), False)
    except CredentialsRejected:
        yield ReportOutcome(context.identity.key, refused=True)
        raise
    yield ReportOutcome(context.identity.key, refused=False)
    marked, skew = context.after_refusal, context.memory.skew
    token = token_life.granted(answer.value, answer.sent, context.policy, after_refusal=marked, skew=skew)
    yield Emit(events.TokenRenewed(context.name, token.expires_at, answer.seconds, answer.attempts))
    if answer.value.missing:
        yield Emit(events.ScopeReduced(context.name, token.scope or "", answer.value.missing))
    if credentials.expires_at is not None and rules.is_ending(credentials, answer.sent):
        yield Emit(events.CredentialsEnding(context.name, credentials.expires_at))
    return token
