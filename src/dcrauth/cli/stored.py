"""What a store holds, as values: whose credentials and tokens, since when, until when, and what cannot be read.

A store says nothing of names: its keys are digests. Only the identity that the caller names is told by name.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.findings import Word
from dcrauth.cli.moments import ago
from dcrauth.engine.identity import Identity
from dcrauth.engine.rules import NOTICE
from dcrauth.providers.protocol import Provider, instance_of, token_key

_BEGINNING = 8
MASKED = "…"
GIVEN = "given"
"""What a client is called that the settings give."""


@dataclass(frozen=True)
class Named:
    """An identity whose names are known: that of the settings.

    Parameters:
        identity: the key of its records.
        application: the application's identifier, as out of its statement; None where it is the client id.
        instance: what tells it from others of the same application.
        statement_digest: of what it would show in a registration.
        given_id: the id of a client that the settings give, so that none is stored.
        asks_for: what its token is asked for with, such as a scope, as text; "" where that is nothing special.
    """

    identity: Identity
    application: str | None
    instance: str
    statement_digest: str
    given_id: str | None = field(default=None, repr=False)
    asks_for: str = ""


def named(provider: Provider, instance: str) -> Named:
    """Return the identity of an *instance* of what *provider* is told."""
    give = getattr(provider, "given", None)
    given_id = None if give is None else give().client_id
    return Named(
        Identity.of(*provider.anchor, instance_of(provider, instance), token_key=token_key(provider)),
        None if provider.application == given_id else provider.application,
        instance,
        provider.statement_digest,
        given_id=given_id,
        asks_for=getattr(provider, "asks_for", ""),
    )


@dataclass(frozen=True)
class Client:
    """A pair of client credentials, in use or kept aside; the secret is not in it.

    Parameters:
        key: the kind of its record: ``credentials``, or ``replaced-`` and a number.
        word: ``ok``, ``absent``, ``forgotten`` (deleted on purpose), ``given`` (by the settings, and never stored) or
            ``not readable``.
        client_id: the client id.
        registered_at: when it was registered, in seconds since the epoch, as are the others; None if that is not known.
        replaced_at: when it took the place of another one.
        expires_at: when the server will stop to accept its secret.
        problem: why it is not readable.
    """

    key: str
    word: str
    client_id: str | None = field(default=None, repr=False)
    registered_at: float | None = None
    replaced_at: float | None = None
    expires_at: float | None = None
    problem: str | None = None

    def registered(self, now: float) -> str:
        """Return how long ago it was registered, as text; a client that was made by hand does not say it."""
        if self.registered_at is None:
            return "imported, and when it was registered is not known"
        return f"registered {ago(self.registered_at, now)}"

    def is_ending(self, now: float) -> bool:
        """Return whether the secret ends soon, or has ended."""
        return self.expires_at is not None and self.expires_at - now < NOTICE


@dataclass(frozen=True)
class Token:
    """A stored access token, without its value.

    Parameters:
        word: ``ok``, ``expired``, ``absent`` or ``not readable``.
        obtained_at: when it was asked for, in seconds since the epoch.
        expires_at: when it ends.
        problem: why it is not readable.
        key: the kind of its record: ``token``, or ``token-`` and a digest of the scopes, resources and audience that it
            was asked for with, and ``-certificate-`` and a thumbprint where it is bound to one.
        asked_for: these as text, where the settings say them.
        scope: what it was granted for; None if that is not known.
    """

    word: str
    obtained_at: float | None = None
    expires_at: float | None = None
    problem: str | None = None
    key: str = "token"
    asked_for: str | None = None
    scope: str | None = None


@dataclass(frozen=True)
class StoredIdentity:
    """What a store holds of one identity.

    Parameters:
        identity: the key under which its records are kept, 64 hexadecimal digits.
        configured: whether it is that of the settings; only then are its names known.
        application: the application's identifier.
        instance: what tells it from others of the same application.
        client: the credentials in use.
        token: the token; where there are several, that of the settings, else that which names no scope.
        kept_aside: credentials that were replaced.
        last_error: what stands against a registration, if a note in the store says so.
        last_error_at: when that was.
        retry_at: until when it stands.
        further_tokens: others of the same client, for other scopes, resources or audiences.
    """

    identity: str
    configured: bool
    application: str | None
    instance: str | None
    client: Client
    token: Token
    kept_aside: tuple[Client, ...] = ()
    last_error: str | None = None
    last_error_at: float | None = None
    retry_at: float | None = None
    further_tokens: tuple[Token, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """What of it cannot be read."""
        parts: tuple[Client | Token, ...] = (self.client, self.token, *self.kept_aside, *self.further_tokens)
        return tuple(each.problem for each in parts if each.problem is not None)

    @property
    def is_stored(self) -> bool:
        """Whether the store has anything of it; what cannot be read may be there."""
        has_client = self.client.word not in {Word.ABSENT, GIVEN}
        more = self.kept_aside or self.further_tokens or self.last_error
        return has_client or self.token.word != Word.ABSENT or bool(more)


@dataclass(frozen=True)
class StoredReport:
    """What a store holds.

    Parameters:
        store: the store, as text without a password.
        at: the moment of the report, in seconds since the epoch.
        word: ``ok``, or ``not readable`` if something is not.
        identities: that of the settings first, the others by their keys.
        problem: what cannot be read of the store as a whole.
    """

    store: str
    at: float
    word: str
    identities: tuple[StoredIdentity, ...]
    problem: str | None = None

    @property
    def exit_status(self) -> int:
        """The exit status that it comes to."""
        return ExitCode.STORE if self.word == Word.NOT_READABLE else ExitCode.GOOD

    def to_dict(self, *, reveal: bool = False) -> dict[str, Any]:
        """Return it as JSON has it; client ids only begin unless they are to be *revealed*."""
        found: dict[str, Any] = {"schema": 1, **asdict(self)}
        for identity in found["identities"]:
            for client in (identity["client"], *identity["kept_aside"]):
                client["client_id"] = shown_id(client["client_id"], reveal=reveal)
        listed = ("kept_aside", "further_tokens")
        found["identities"] = [{**each, **{name: list(each[name]) for name in listed}} for each in found["identities"]]
        return found


def shown_id(client_id: str | None, *, reveal: bool) -> str | None:
    """Return a client id as it is shown."""
    if client_id is None or reveal:
        return client_id
    return client_id[: min(_BEGINNING, len(client_id) // 2)] + MASKED
