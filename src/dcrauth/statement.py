"""The software statement: what an application shows to register itself (RFC 7591 §2.3)."""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import IO, Any

from dcrauth._confidential import Confidential
from dcrauth._paths import expanded
from dcrauth._strict import jwt_claims, number
from dcrauth.errors import ConfigurationError

_LONGEST = 64 * 1024
_LONGEST_SHOWN = 100


@dataclass(frozen=True)
class SoftwareStatement(Confidential):
    """A software statement, checked for its form and never printed.

    Parameters:
        text: the JWT in compact form. A byte order mark and all white space are dropped, because statements are
            downloaded as text files and pasted with line breaks.

    Raises:
        ConfigurationError: the text is empty, cut short, or not a JWT.
    """

    text: str = field(repr=False)
    claims: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        text = "".join(self.text.lstrip("\ufeff").split())
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "claims", MappingProxyType(_claims(text)))

    @classmethod
    def of(cls, source: "SoftwareStatement | str | os.PathLike[str] | IO[str] | IO[bytes]") -> "SoftwareStatement":
        """Return the statement that *source* is, holds, or leads to.

        Parameters:
            source: a statement, its text, the path of a file that holds it, or a file object open for reading.

        Raises:
            ConfigurationError: there is no such file, or what was found is not a software statement.
        """
        if isinstance(source, SoftwareStatement):
            return source
        if isinstance(source, str) and _looks_like_text(source):
            return cls(source)
        if isinstance(source, str | os.PathLike):
            return cls(_read_path(source))
        if hasattr(source, "read"):
            return cls(_read(source))
        raise ConfigurationError(f"A software statement is text, a path or a file object, not {type(source).__name__}")

    @property
    def subject(self) -> str | None:
        """The ``sub`` claim: the registered application, whichever download of its statement this is."""
        return _text(self.claims.get("sub"))

    @property
    def issuer(self) -> str | None:
        """The ``iss`` claim."""
        return _text(self.claims.get("iss"))

    @property
    def issued_at(self) -> float | None:
        """The ``iat`` claim, in seconds since the epoch."""
        return number(self.claims.get("iat"))

    @property
    def application(self) -> str:
        """What identifies the application: the subject, or a digest of the statement where there is none.

        Adobe makes a different statement for each download of one application, so the text itself identifies nothing.
        """
        return self.subject or hashlib.sha256(self.text.encode()).hexdigest()


def _claims(text: str) -> dict[str, Any]:
    if not text:
        raise ConfigurationError("The software statement is empty; download it again from the TVE Dashboard")
    if len(text) > _LONGEST:
        raise ConfigurationError(f"The software statement is longer than {_LONGEST} characters; this is another file")
    try:
        return jwt_claims(text)
    except ValueError as reason:
        raise ConfigurationError(
            f"The software statement is not a JWT ({reason}); it may be cut short: copy or download it again"
        ) from None


def _looks_like_text(source: str) -> bool:
    """Tell text from a path without trying to open it: a JWT starts with a JSON object in Base64."""
    text = source.lstrip("\ufeff \t\r\n")
    return not text or text.startswith("eyJ") or "\n" in text or len(text) > 1024


def _read_path(path: str | os.PathLike[str]) -> str:
    try:
        with open(expanded(path), "rb") as file:
            return _read(file)
    except (OSError, ValueError) as reason:
        raise ConfigurationError(f"The software statement cannot be read from {_shown(path)}: {_why(reason)}") from None


def _read(file: IO[str] | IO[bytes]) -> str:
    found = file.read(2 * _LONGEST)
    if isinstance(found, str):
        return found
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ConfigurationError("The software statement is not a text file; download it again") from None


def _shown(path: str | os.PathLike[str]) -> str:
    """What a message may say of *path*: long text may be a damaged statement that was taken for a path."""
    if isinstance(path, str) and len(path) > _LONGEST_SHOWN:
        return f"a file whose name has {len(path)} characters"
    return repr(os.fspath(path))


def _why(reason: Exception) -> str:
    return getattr(reason, "strerror", None) or type(reason).__name__


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
