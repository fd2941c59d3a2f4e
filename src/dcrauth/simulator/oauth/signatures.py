"""Signatures of JWTs by keys and secrets of clients.

They are checked below joserfc's own ``jwt.decode``, which warns of keys and algorithms that it would not choose: where
a test has warnings be errors, that would end the thread of the connection.
"""

import base64
import hashlib
import hmac

from joserfc.errors import JoseError
from joserfc.jwk import Key
from joserfc.jws import JWSRegistry

BY_SECRET = ("HS256", "HS384", "HS512")
"""Algorithms of signatures by a secret."""


def is_by_key(text: str, alg: str, key: Key) -> bool:
    """Whether the signature of a compact JWS is one of *key*, by an algorithm that joserfc knows."""
    model = JWSRegistry.algorithms.get(alg)
    signed, signature = _split(text)
    try:
        return model is not None and bool(model.verify(signed, signature, key))
    except (JoseError, ValueError, TypeError, AttributeError):  # a key of another type than the algorithm's
        return False


def is_by_secret(text: str, alg: str, secret: str) -> bool:
    """Whether the signature of a compact JWS is one with *secret*, by an algorithm of `BY_SECRET`."""
    signed, signature = _split(text)
    made = hmac.new(secret.encode(), signed, getattr(hashlib, alg.replace("HS", "sha"))).digest()
    return hmac.compare_digest(made, signature)


def _split(text: str) -> tuple[bytes, bytes]:
    """Return what is signed, and the signature; an empty one where it is none."""
    signed, _, signature = text.rpartition(".")
    try:
        return signed.encode(), base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4))
    except ValueError:
        return signed.encode(), b""
