"""What the text that names a store is made of: a scheme, a place, and options behind a question mark."""

import re
from urllib.parse import unquote

ENCRYPTED = "encrypted+"
"""What stands before a scheme, or a path, of a store whose records are encrypted."""

KEY_FILE, KEY_VARIABLE, KEY_SERVICE = "key_file", "key_variable", "key_service"
KEYS = (KEY_FILE, KEY_VARIABLE, KEY_SERVICE)
"""The options that say where the keys of such a store are."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):")
"""Of two letters or more: one letter before a colon is a drive of Windows."""


def is_encrypted(url: str) -> bool:
    """Return whether *url* says that the records are encrypted, whatever follows: a path has no scheme."""
    return url[: len(ENCRYPTED)].lower() == ENCRYPTED


def beneath_encryption(url: str) -> str:
    """Return what names the store that has the encrypted records, with all options."""
    return url[len(ENCRYPTED) :] if is_encrypted(url) else url


def scheme_of(url: str) -> str:
    """Return the scheme of *url* in lower case, which is empty where that is a path."""
    named = _SCHEME.match(url)
    return named[1].lower() if named else ""


def behind_scheme(url: str) -> str:
    """Return what stands behind the scheme and its colon, or all of it where there is none."""
    named = _SCHEME.match(url)
    return url[named.end() :] if named else url


def without(url: str, names: tuple[str, ...]) -> tuple[str, list[tuple[str, str]]]:
    """Return *url* without those of its options that have one of the *names*, and these with their values, in order."""
    place, mark, query = url.rpartition("?")
    if not mark:
        return url, []
    options = [each.partition("=") for each in query.split("&")]
    left = "&".join("".join(each) for each in options if each[0] not in names)
    return place + "?" * bool(left) + left, [(name, unquote(value)) for name, _, value in options if name in names]


def told(url: str) -> str:
    """Return what may be shown of *url*: neither a user, nor a password, nor options, which may hold one."""
    scheme, is_url, rest = url.partition("://")
    if not is_url:
        place, mark, _ = url.partition("?") if is_encrypted(url) else (url, "", "")
        return place + "?…" * bool(mark)
    before, at, behind = rest.rpartition("@")
    if "?" in before:  # it is in a password, or the rest is part of an option
        return f"{scheme}://…"
    host, mark, _ = behind.partition("?")
    return f"{scheme}://{'…@' * bool(at)}{host}{'?…' * bool(mark)}"
