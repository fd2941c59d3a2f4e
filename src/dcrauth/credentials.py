"""What the server grants: client credentials for good, access tokens for a while."""

import sys
from collections.abc import Mapping
from dataclasses import field
from typing import Any, Self

from dcrauth._confidential import Confidential, confidential


@confidential
class ClientCredentials(Confidential):
    """The client id and secret of one registration (RFC 7591 §3.2.1); losing them logs end users out.

    Parameters:
        client_id: the client identifier.
        client_secret: the client secret.
        registered_at: when the registration was sent, in seconds since the epoch, by this machine's clock.
        replaced_at: when this pair took the place of a refused one, in seconds since the epoch; None for a first pair.
        metadata: everything else the registration endpoint answered.
    """

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)
    registered_at: float = 0.0
    replaced_at: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def expires_at(self) -> float | None:
        """When the server will stop to accept the secret, in seconds since the epoch, if ever (RFC 7591 §3.2.1)."""
        moment = self.metadata.get("client_secret_expires_at")
        if isinstance(moment, bool) or not isinstance(moment, int | float) or moment <= 0:
            return None
        return float(min(moment, sys.float_info.max))


@confidential
class AccessToken(Confidential):
    """A bearer token (RFC 6750) and the span in which it is good.

    Parameters:
        value: the token itself.
        obtained_at: when it was asked for, in seconds since the epoch.
        expires_at: when it ends, in seconds since the epoch.
        after_refusal: whether it was granted because a protected API had refused another one.
    """

    value: str = field(repr=False)
    obtained_at: float
    expires_at: float
    after_refusal: bool = False
    authorization: "BearerHeader" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "authorization", BearerHeader(self))

    @property
    def life(self) -> float:
        """The token's whole life, in seconds."""
        return self.expires_at - self.obtained_at


class BearerHeader(str):
    """The value of an ``Authorization`` header that knows its token and hides it from repr and pickle.

    Being a class of its own, it also tells a header that dcrauth set from one that the caller wrote.
    """

    token: AccessToken

    def __new__(cls, token: AccessToken) -> Self:
        """Make the header of *token*."""
        header = super().__new__(cls, f"Bearer {token.value}")
        header.token = token
        return header

    def __repr__(self) -> str:
        return "'Bearer ***'"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return str, ("Bearer ***",)
