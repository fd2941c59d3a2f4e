"""The form of an encrypted record, which a key makes and opens.

    8 bytes    MAGIC, which no record in plain text begins with
    1 byte     the version of this layout
    8 bytes    which key: the beginning of a digest of it
    12 bytes   nonce, drawn for this writing
    the rest   AES-256-GCM of the record, and its tag of 16 bytes

What stands before the nonce is authenticated along with the key under which the record is stored.
"""

import hashlib
import os
from dataclasses import field
from typing import Self

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError as missing:
    raise ImportError("EncryptedStore needs cryptography; run: pip install dcrauth[encryption]") from missing

from dcrauth._internal.confidential import Confidential, confidential
from dcrauth.errors import StoreCorrupt, StoreTooNew

KEY_LENGTH = 32
"""Bytes of a key."""

_MAGIC = b"\x8cdcrauth"
_VERSION = 1
_ID_START, _NONCE_START, _CONTENT_START = 9, 17, 29
_TAG = 16


@confidential
class Key(Confidential):
    """A key that is ready for use.

    Parameters:
        id: 8 bytes that tell it from others and tell nothing else about it.
        cipher: encrypts and decrypts with it.
    """

    id: bytes
    cipher: AESGCM = field(repr=False)

    @classmethod
    def of(cls, key: bytes) -> Self:
        """Return the key that so many bytes make."""
        return cls(hashlib.sha256(b"dcrauth key id\0" + key).digest()[: _NONCE_START - _ID_START], AESGCM(key))

    def seal(self, key: str, value: bytes) -> bytes:
        """Return the record that is to be kept under *key*, encrypted."""
        heading = _MAGIC + bytes([_VERSION]) + self.id
        # From the system each time, not from a generator that two processes would share after a fork.
        nonce = os.urandom(_CONTENT_START - _NONCE_START)
        return heading + nonce + self.cipher.encrypt(nonce, value, _authenticated(heading, key))

    def open(self, key: str, sealed: bytes) -> bytes:
        """Return what was found under *key*, decrypted.

        Raises:
            StoreCorrupt: it was changed, or belongs to another key.
        """
        heading, nonce = sealed[:_NONCE_START], sealed[_NONCE_START:_CONTENT_START]
        try:
            return self.cipher.decrypt(nonce, sealed[_CONTENT_START:], _authenticated(heading, key))
        except InvalidTag:
            raise damaged(key, "it was changed, or copied from another key") from None


def is_sealed(found: bytes) -> bool:
    """Return whether a record as the other store holds it is an encrypted one."""
    return found.startswith(_MAGIC)


def key_id_of(key: str, found: bytes) -> bytes:
    """Return which key a record is encrypted with.

    Parameters:
        key: under which it was found.
        found: what was found there.

    Raises:
        StoreCorrupt: it is not encrypted, or not whole.
        StoreTooNew: a later version has encrypted it.
    """
    if not is_sealed(found):
        raise damaged(key, "it is not encrypted. If it was written before encryption was turned on, call migrate()")
    version = found[len(_MAGIC)] if len(found) > len(_MAGIC) else 0
    if version > _VERSION:
        raise StoreTooNew(
            f"Record {key[:80]!r} was encrypted by a later version of dcrauth (layout {version}); upgrade"
        )
    if version < _VERSION or len(found) < _CONTENT_START + _TAG:
        raise damaged(key, "it is cut short or changed")
    return found[_ID_START:_NONCE_START]


def damaged(key: str, reason: str) -> StoreCorrupt:
    """Return the error for a record under *key* that cannot be read."""
    return StoreCorrupt(f"Record {key[:80]!r} of the store was left as it is: {reason}")


def _authenticated(heading: bytes, key: str) -> bytes:
    return heading + key.encode("utf-8", "surrogatepass")
