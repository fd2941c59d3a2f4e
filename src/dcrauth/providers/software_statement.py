"""The software statement: what an application shows to register itself (RFC 7591 §2.3)."""

import codecs
import errno
import hashlib
import os
from collections.abc import Mapping
from dataclasses import field
from types import MappingProxyType
from typing import IO, Any

from dcrauth._internal.arguments import check_text, expanded, shown, wrong
from dcrauth._internal.confidential import Confidential, confidential, discreet, discreet_constructor
from dcrauth._internal.strict_json import jwt_claims, number
from dcrauth.errors import ConfigurationError

_LONGEST = 64 * 1024
_QUOTES = ("'", '"')
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@discreet_constructor
@confidential
class SoftwareStatement(Confidential):
    """A software statement, checked for its form and never printed.

    Parameters:
        text: the JWT in compact form. A byte order mark, all white space, and quotes around it are dropped, because
            statements are downloaded as text files, pasted with line breaks, and kept in env files.

    Raises:
        ConfigurationError: the text is empty, cut short, or not a JWT.
    """

    text: str = field(repr=False)
    claims: Mapping[str, Any] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_text(self.text, "The text of a software statement")
        text = _unquoted("".join(self.text.lstrip("\ufeff").split()))
        object.__setattr__(self, "text", text)
        object.__setattr__(self, "claims", MappingProxyType(_claims(text)))

    @classmethod
    @discreet
    def of(cls, source: "SoftwareStatement | str | os.PathLike[str] | IO[str] | IO[bytes]") -> "SoftwareStatement":
        """Return the statement that *source* is, holds, or leads to.

        Parameters:
            source: a statement, its text, the path of a file that holds it, or a file object open for reading. Files
                are read as UTF-8, or as UTF-16 if they begin with its mark, as Windows writes them.

        Raises:
            ConfigurationError: there is no such file, or what was found is not a software statement.
        """
        if isinstance(source, SoftwareStatement):
            return source
        if isinstance(source, str) and _looks_like_text(source):
            return cls(source)
        if isinstance(source, str | os.PathLike):
            return cls(_read_path(source))
        if hasattr(source, "read") and not isinstance(source, type):
            return cls(_read(source))
        raise wrong("A software statement", "text, a path or a file object", source)

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
        raise ConfigurationError(
            "The software statement is empty; get it again from whoever issues it (Adobe Pass: the TVE Dashboard)"
        )
    if "\0" in text:
        raise ConfigurationError(
            "The software statement was read in another encoding than that of its file: give the path of the file, or "
            "open it for reading bytes"
        )
    if len(text) > _LONGEST:
        raise ConfigurationError(f"The software statement is longer than {_LONGEST} characters; this is another file")
    try:
        return jwt_claims(text)
    except ValueError as reason:
        raise ConfigurationError(
            f"The software statement is not a JWT ({reason}); it may be cut short: copy or download it again"
        ) from None


def _unquoted(text: str) -> str:
    """Return *text* without the quotes around it, which Docker's ``--env-file`` takes for a part of the value."""
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in _QUOTES
    return text[1:-1] if quoted else text


def _looks_like_text(source: str) -> bool:
    """Know text from a path without trying to open it: a JWT starts with a JSON object in Base64."""
    text = source.lstrip("\ufeff \t\r\n'\"")
    return not text or text.startswith("eyJ") or "\n" in text or len(text) > 1024


def _read_path(path: str | os.PathLike[str]) -> str:
    try:
        with open(expanded(os.fsdecode(path)), "rb") as file:
            return _read(file)
    except (OSError, ValueError) as reason:
        failure = reason
    told = f"The software statement cannot be read from {_place(os.fsdecode(path))}: {_why(failure)}"
    if isinstance(failure, OSError) and failure.errno == errno.ENAMETOOLONG:
        told += ". If it is the statement itself, it is damaged: a statement begins with eyJ"
    raise ConfigurationError(told)


def _read(file: IO[str] | IO[bytes]) -> str:
    try:
        found: object = file.read(4 * _LONGEST)
        if isinstance(found, bytes):
            return found.decode("utf-16" if found.startswith(_UTF_16) else "utf-8-sig")
    except UnicodeError:
        raise ConfigurationError(
            "The software statement is not a text file in UTF-8, or in UTF-16 and read as bytes; if it is in neither, "
            "download it again"
        ) from None
    except (OSError, ValueError) as reason:
        raise ConfigurationError(f"The software statement cannot be read from its file: {_why(reason)}") from None
    check_text(found, "What the file of a software statement holds")
    return str(found)


def _place(path: str) -> str:
    """Return what a message may say of *path*, which may be a damaged statement that was taken for one."""
    folder, name = os.path.split(path)
    whole = shown(path)
    return f"{whole} that ends in {shown(name)}" if folder and not whole.startswith(("'", '"')) else whole


def _why(reason: Exception) -> str:
    return getattr(reason, "strerror", None) or type(reason).__name__


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
