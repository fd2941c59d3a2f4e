"""The client of the settings: whether its credentials and token are stored, and, if asked, whether they are good.

Nothing is registered unless that is asked for, and never anything in the place of a client that is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from dcrauth.cli.findings import Finding, Word, finding_of
from dcrauth.cli.moments import ago, span
from dcrauth.cli.stored import GIVEN, Client, StoredIdentity, Token, named
from dcrauth.credentials import ClientCredentials
from dcrauth.engine.answer_errors import unsettled
from dcrauth.engine.client_proof import prove_client
from dcrauth.engine.given_client import given_by
from dcrauth.engine.identity import Identity
from dcrauth.engine.instant import Instant
from dcrauth.engine.records import StoredCredentials, read_credentials
from dcrauth.engine.rules import is_settling
from dcrauth.engine.source import TokenSource
from dcrauth.errors import CredentialsRejected, DCRAuthError, StoreUnavailable
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Provider
from dcrauth.stores import Store
from dcrauth.transports import Transport

_NEW = (
    "wait until then, and check again. If the server has lost it, as a simulator that was started again, "
    "dcrauth forget lets another one be registered at once"
)
_NOT_ASKED = "none was asked for; --token asks for one with the client, and keeps it nowhere"


@dataclass(frozen=True)
class ClientSettings:
    """Whose client is checked, and by what.

    Parameters:
        provider: the authorization server.
        store: where the credentials are.
        instance: what tells this application instance from others.
        transport: what calls the server.
    """

    provider: Provider
    store: Store
    instance: str
    transport: Transport

    @property
    def identity(self) -> Identity:
        """The key of its records."""
        return named(self.provider, self.instance).identity


def stored_findings(stored: StoredIdentity, now: float) -> Iterator[Finding]:
    """Yield what the store holds of the client of the settings."""
    yield _credentials(stored.client, now)
    yield _token(stored.token, now)
    if stored.last_error is not None and stored.retry_at is not None:
        advice = "ask whoever runs the server; no process registers before that moment"
        yield Finding("last-error", Word.WARNING, f"{stored.last_error}; until {ago(stored.retry_at, now)}", advice)


def registration_finding(settings: ClientSettings, stored: StoredIdentity) -> Finding:
    """Register, as the first request would, unless a client is there or that cannot be told."""
    if stored.client.word == Word.OK:
        return Finding("registration", Word.OK, "registered already; nothing was sent")
    if stored.client.word == GIVEN:
        return Finding("registration", Word.OK, "the settings give the client, which is never registered")
    if stored.client.word == Word.NOT_READABLE:
        return Finding("registration", Word.NOT_TRIED, "there may be a client that cannot be read; nothing was sent")
    # A client that another process registers meanwhile is used, and never replaced.
    policy = Policy(reregister="never")
    provider, store, instance, transport = settings.provider, settings.store, settings.instance, settings.transport
    try:
        TokenSource(provider, store=store, instance=instance, transport=transport, policy=policy).token()
    except DCRAuthError as error:
        return finding_of(error, "registration")
    return Finding("registration", Word.OK, "registered, and a token was granted; both are stored")


def token_call_finding(settings: ClientSettings, stored: StoredIdentity, *, asked: bool, now: float) -> Finding:
    """Ask for a token with the stored credentials, if that is *asked* for; nothing is stored or replaced by that."""
    if not asked:
        return Finding("token-call", Word.NOT_TRIED, _NOT_ASKED)
    if stored.client.word not in {Word.OK, GIVEN}:
        return Finding("token-call", Word.NOT_TRIED, "no credentials are stored that could be used")
    try:
        return _proved(settings, stored, _client_of(settings), now)
    except DCRAuthError as error:
        return finding_of(error, "token-call")


def _proved(settings: ClientSettings, stored: StoredIdentity, client: ClientCredentials, now: float) -> Finding:
    """Ask for a token with *client*, and return what comes of it."""
    try:
        life = prove_client(settings.provider, client, transport=settings.transport, wall=lambda: now)
    except CredentialsRejected as refusal:
        return _refused(refusal, client, stored, now)
    return Finding("token-call", Word.OK, f"granted for {span(life)}; it was not kept")


def _refused(refusal: CredentialsRejected, client: ClientCredentials, stored: StoredIdentity, now: float) -> Finding:
    """Return what a refusal says of a client; of one that is new it says little, as renewals see it as well."""
    policy = Policy()
    if stored.client.word == GIVEN or not is_settling(client, Instant(now, 0.0), policy):
        return finding_of(refusal, "token-call")
    told = unsettled(refusal, client.registered_at + policy.settling)
    return Finding("token-call", Word.FAILING, told.message, _NEW)


def _client_of(settings: ClientSettings) -> ClientCredentials:
    if (give := given_by(settings.provider)) is not None:
        return give()
    key = settings.identity.credentials
    record = read_credentials(key, settings.store.get(key) or b"")
    if not isinstance(record, StoredCredentials):
        raise StoreUnavailable("The credentials were deleted while they were looked at")
    return record.credentials


def _credentials(client: Client, now: float) -> Finding:
    if client.word == GIVEN:
        return Finding("credentials", Word.OK, "given by the settings, and so not stored")
    if client.word == Word.OK:
        told = f"stored, {client.registered(now)}"
        if client.expires_at is None or not client.is_ending(now):
            return Finding("credentials", Word.OK, told)
        advice = "ask whoever runs the server what comes after that"
        return Finding("credentials", Word.WARNING, f"{told}; the secret ends {ago(client.expires_at, now)}", advice)
    if client.problem is not None:
        advice = (
            "see what is wrong with the store above; if nothing is, dcrauth store check says what to do with the "
            "record. By this nothing is lost, and no process registers anew for that"
        )
        return Finding("credentials", Word.NOT_READABLE, client.problem, advice)
    told = "deleted on purpose" if client.word == "forgotten" else "none are stored yet"
    return Finding("credentials", Word.ABSENT, f"{told}; the first request registers, and so does --register")


def _token(token: Token, now: float) -> Finding:
    if token.problem is not None:
        return Finding("token", Word.NOT_READABLE, token.problem, "nothing: the next renewal puts another in its place")
    if token.expires_at is None:
        return Finding("token", Word.ABSENT, "none is stored; the next request asks for one")
    if token.word == "expired":
        return Finding("token", Word.OK, f"expired {ago(token.expires_at, now)}; the next request renews it")
    found = f"not expired, and ends {ago(token.expires_at, now)}; if the API answers 401, then dcrauth token --renew"
    return Finding("token", Word.OK, found)
