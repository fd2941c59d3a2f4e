"""A key of an `EncryptedStore` as text."""

import base64
import re
import secrets

FORMATS = "32 bytes in URL-safe base64 (44 characters) or 64 hexadecimal digits"

_LENGTH = 32
_BASE64 = re.compile(r"[A-Za-z0-9_-]{43}=")
_HEXADECIMAL = re.compile(r"[0-9A-Fa-f]{64}")


def new_key() -> bytes:
    """Return a key that nobody has had before."""
    return secrets.token_bytes(_LENGTH)


def text_of(key: bytes) -> str:
    """Return *key* as text."""
    return base64.urlsafe_b64encode(key).decode()


def parsed(text: str) -> bytes | None:
    """Return the key in *text*, or None if there is none."""
    text = text.strip()
    if _HEXADECIMAL.fullmatch(text):
        return bytes.fromhex(text)
    return base64.urlsafe_b64decode(text) if _BASE64.fullmatch(text) else None
