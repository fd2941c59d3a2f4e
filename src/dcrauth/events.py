"""What happens in the life of an identity, told to ``on_event`` and to the ``dcrauth`` logger.

No event holds a secret; *identity* is the first part of the key under which the identity's records are kept.
"""

from dataclasses import dataclass

from dcrauth.errors import DCRAuthError


@dataclass(frozen=True)
class Event:
    """Base of all events."""

    identity: str


@dataclass(frozen=True)
class Registered(Event):
    """The application was registered and its client credentials are stored."""


@dataclass(frozen=True)
class RegistrationUnused(Event):
    """A registration lost the race to another one; its credentials were never used."""


@dataclass(frozen=True)
class TokenRenewed(Event):
    """The token endpoint granted a token that is good until *expires_at* (seconds since the epoch)."""

    expires_at: float


@dataclass(frozen=True)
class TokenAdopted(Event):
    """A token that another process had stored is used until *expires_at* (seconds since the epoch)."""

    expires_at: float


@dataclass(frozen=True)
class RenewalFailed(Event):
    """A renewal ended with *error*; the next one starts at *retry_at* (seconds since the epoch) or later."""

    error: DCRAuthError
    retry_at: float


@dataclass(frozen=True)
class CredentialsReplaced(Event):
    """The server had forgotten the client and it was registered anew: its end users must log in again."""


@dataclass(frozen=True)
class StoreRepaired(Event):
    """The store had lost the client credentials, or held older ones; this process put those that it knows back."""


@dataclass(frozen=True)
class CredentialsForgotten(Event):
    """The client credentials were deleted on purpose: the next request registers anew."""


@dataclass(frozen=True)
class StoreProblem(Event):
    """The store failed in a way that could be passed over: *error*."""

    error: DCRAuthError
