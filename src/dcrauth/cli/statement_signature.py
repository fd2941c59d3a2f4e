"""The signature of a software statement, as far as a client can judge it: whether it is as long as its kind is."""

import base64
import json
from typing import Any

_LENGTHS = {
    "HS256": (32,),
    "HS384": (48,),
    "HS512": (64,),
    "ES256": (64,),
    "ES256K": (64,),
    "ES384": (96,),
    "ES512": (132,),
    "EdDSA": (64, 114),
    "Ed25519": (64,),
    "Ed448": (114,),
}
"""In bytes (RFC 7518 §3, RFC 8037 §3.1, RFC 8812 §3.2)."""

_OF_RSA = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"})
_LEAST_OF_RSA = 256
"""In bytes: keys have 2048 bits or more (RFC 7518 §3.3), and a signature is as long as its key (RFC 8017 §8)."""

_STEP_OF_RSA = 16
"""In bytes; keys are made in lengths that are multiples of it."""


def header_of(text: str) -> Any:
    """Return the header of a JWT (RFC 7515 §4); None if it is no JSON."""
    try:
        return json.loads(_decoded(text.partition(".")[0]))
    except (ValueError, RecursionError):
        return None


def unusual_signature(text: str) -> str | None:
    """Return what is unusual about the signature of a JWT, such as of one that was cut short; None if nothing is.

    It is not verified: only the server has the key.
    """
    header = header_of(text)
    algorithm = header.get("alg") if isinstance(header, dict) else None
    try:
        length = len(_decoded(text.rpartition(".")[2]))
    except ValueError:
        return "its signature is not in Base64"
    if not isinstance(algorithm, str) or _is_usual(algorithm, length):
        return None
    return f"its signature has {length} bytes, which is no length of {algorithm}"


def _is_usual(algorithm: str, length: int) -> bool:
    if algorithm in _OF_RSA:
        return length >= _LEAST_OF_RSA and length % _STEP_OF_RSA == 0
    return length in _LENGTHS.get(algorithm, (length,))


def _decoded(part: str) -> bytes:
    return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
