"""The last tokens that came from a source, so that they are known again when their headers come back."""

from collections.abc import Mapping
from types import MappingProxyType

from dcrauth.credentials import AccessToken

GivenTokens = Mapping[bytes, AccessToken]
"""Tokens without their values, by digests of their headers; none is ever changed, so that no reader needs a lock."""

NONE: GivenTokens = MappingProxyType({})
"""What a source has given at first: one for all of them."""

REMEMBERED = 8
"""So many tokens are known again, that in hand among them: requests with older ones may be under way or sent again."""


def with_token(given: GivenTokens, token: AccessToken) -> GivenTokens:
    """Return *given* with *token*, which is no longer in hand, and without the oldest where there are too many."""
    known = {**given, token.digest: AccessToken("", token.obtained_at, token.expires_at)}
    return dict(list(known.items())[1 - REMEMBERED :])
