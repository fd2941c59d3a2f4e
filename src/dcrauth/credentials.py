"""What the server grants: client credentials for good, access tokens for a while."""

import re
import sys
from collections.abc import Mapping
from dataclasses import field
from hashlib import sha256
from typing import Any

from dcrauth._internal.confidential import Confidential, confidential

NO_CREDENTIALS = re.compile(
    r"\s*(?:\S+\s+|Basic|Bearer|Concealed|Digest|DPoP|GNAP|HOBA|Mutual|Negotiate|OAuth|PrivateToken"
    r"|SCRAM-SHA-1|SCRAM-SHA-256|vapid)?",
    re.IGNORECASE,
)
"""The whole of an ``Authorization`` that is empty, or a scheme with nothing behind it (RFC 9110 §11.4).

A single word is a scheme if it is one of the registered ones
(https://www.iana.org/assignments/http-authschemes), or if white space follows it; else it is a key without a scheme.
"""


@confidential
class ClientCredentials(Confidential):
    """The client id and secret of one registration (RFC 7591 §3.2.1); losing them logs end users out.

    Parameters:
        client_id: the client identifier.
        client_secret: the client secret; None for a client that proves itself by a key or a certificate, or not at all.
        registered_at: when the registration was sent, in seconds since the epoch, by this machine's clock.
        replaced_at: when this pair took the place of a refused one, in seconds since the epoch; None for a first pair.
        metadata: everything else the registration endpoint answered.
    """

    client_id: str = field(repr=False)
    client_secret: str | None = field(default=None, repr=False)
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


_BEARER = "Bearer "


@confidential
class AccessToken(Confidential):
    """A bearer token (RFC 6750) and the span in which it is good.

    Parameters:
        value: the token itself.
        obtained_at: when it was asked for, in seconds since the epoch.
        expires_at: when it ends, in seconds since the epoch.
        after_refusal: whether it was granted because a protected API had refused another one.
        scope: what it was granted for, each name once, in order; None if that is not known.
    """

    authorization: str = field(repr=False)
    obtained_at: float
    expires_at: float
    after_refusal: bool = False
    scope: str | None = field(default=None, repr=False)

    __match_args__ = ("value", "obtained_at", "expires_at", "after_refusal", "scope")

    def __init__(
        self,
        value: str,
        obtained_at: float,
        expires_at: float,
        after_refusal: bool = False,
        scope: str | None = None,
    ) -> None:
        # The header is made once, as it is put on each request; the value is in it, and so in memory once.
        object.__setattr__(self, "authorization", _BEARER + value)
        object.__setattr__(self, "obtained_at", obtained_at)
        object.__setattr__(self, "expires_at", expires_at)
        object.__setattr__(self, "after_refusal", after_refusal)
        object.__setattr__(self, "scope", scope)

    @property
    def value(self) -> str:
        """The token itself."""
        return self.authorization[len(_BEARER) :]

    @property
    def digest(self) -> bytes:
        """What tells the header that carries this token from others, and does not show it."""
        return sha256(self.authorization.encode()).digest()

    @property
    def life(self) -> float:
        """The token's whole life, in seconds."""
        return self.expires_at - self.obtained_at
