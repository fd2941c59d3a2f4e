"""How it stands with an identity, for health checks and support."""

from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dcrauth._internal.confidential import unfailing


@dataclass(frozen=True, kw_only=True, repr=False)
class Status:
    """How it stands with an identity, as far as one process knows; there is no secret in it.

    Moments are in seconds since the epoch.

    Parameters:
        identity: the key under which its records are kept; events tell the first part of it.
        instance: what tells it from others of the same application.
        client_id: the client id in use; None if this process has not read or made one yet. It is in no repr.
        registered_at: when that was registered.
        expires_at: when the token in hand ends; None if there is none.
        due_at: when it will be renewed.
        scope: what it was granted for, which may be less than was asked for; None if that is not known.
        last_error: how the last renewal has failed; None if it has not, or if this process has forgotten it since.
        retry_at: when the next one may be tried; it may have passed.
        store: the kind of store that keeps it.
    """

    identity: str
    instance: str
    client_id: str | None = field(repr=False)
    registered_at: float | None
    expires_at: float | None
    due_at: float | None
    scope: str | None = None
    last_error: str | None
    retry_at: float | None
    store: str

    @unfailing
    def __repr__(self) -> str:
        shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
        return f"Status({shown})"

    def to_dict(self) -> dict[str, Any]:
        """Return it as a dict of texts, numbers and None, as JSON has them."""
        return asdict(self)
