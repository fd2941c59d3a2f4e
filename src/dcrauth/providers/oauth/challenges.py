"""Challenges: what a ``WWW-Authenticate`` header asks for (RFC 9110 §11.6.1, RFC 6750 §3)."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from dcrauth._internal.verdict import Verdict

_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_UNQUOTED = r'[^ \t,="][^ \t,"]*'
"""What servers write without quotes, such as a URL, where they should quote all that is no token."""

_PARAMETER = re.compile(rf'({_TOKEN})[ \t]*=[ \t]*(?:"((?:[^"\\]|\\.)*)"|({_UNQUOTED}))(?=[ \t,]|$)')
_SCHEME = re.compile(rf"({_TOKEN})(?:[ \t]+|(?=,|$))")
_TOKEN68 = re.compile(r"[A-Za-z0-9._~+/-]+=*[ \t]*(?=,|$)")
_BETWEEN = re.compile(r"[ \t]*,[ \t,]*|[ \t]+")
_LONGEST = 8 * 1024
_OF_THE_REQUEST = frozenset({"insufficient_scope", "invalid_request"})
"""Errors which another token of the same kind does not mend (RFC 6750 §3.1)."""


@dataclass(frozen=True)
class Challenge:
    """One of them.

    Parameters:
        scheme: in lower case.
        parameters: by their names in lower case; of one that is repeated, the first.
    """

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)


def challenges(value: str) -> list[Challenge]:
    """Return the challenges in the *value* of a header, several of which are joined by commas.

    A comma or quotes that are missing are done without; what cannot be read ends the list: a header is never an error.
    """
    found: list[Challenge] = []
    for scheme, name, text in _items(value[:_LONGEST]):
        if scheme:
            found.append(Challenge(scheme.lower(), {}))
        elif found:
            last = found[-1]
            found[-1] = Challenge(
                last.scheme, {**last.parameters, name.lower(): last.parameters.get(name.lower(), text)}
            )
    return found


def _items(value: str) -> Iterator[tuple[str, str, str]]:
    """Yield schemes, and parameters as their name and what they say."""
    at = _after_blanks(value, 0)
    while at < len(value):
        if match := _PARAMETER.match(value, at):
            quoted = match[2]
            yield "", match[1], match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        elif match := _SCHEME.match(value, at):
            yield match[1], "", ""
            match = _token68(value, match) or match
        else:
            return
        at = _after_blanks(value, match.end())


def _token68(value: str, scheme: re.Match[str]) -> re.Match[str] | None:
    """Find what may follow a scheme in the place of parameters, as of ``Negotiate``."""
    is_followed = scheme.end() > scheme.end(1) and not _PARAMETER.match(value, scheme.end())
    return _TOKEN68.match(value, scheme.end()) if is_followed else None


def _after_blanks(value: str, at: int) -> int:
    match = _BETWEEN.match(value, at)
    return match.end() if match else at


def bearer_error(value: str) -> Challenge | None:
    """Return the first challenge of the scheme Bearer that names an error, or else the first one of that scheme."""
    ours = [each for each in challenges(value) if each.scheme == "bearer"]
    return next((each for each in ours if "error" in each.parameters), ours[0] if ours else None)


def verdict_of(status: int, value: str) -> Verdict:
    """Return what an answer of an API says about the token that was sent (RFC 6750 §3.1).

    Parameters:
        status: the answer's.
        value: its ``WWW-Authenticate``, "" where there is none.
    """
    found = bearer_error(value)
    error = "" if found is None else found.parameters.get("error", "").lower()
    # Servers challenge with other schemes and codes of their own too: only what RFC 6750 says of a 401 is believed.
    renews = error not in _OF_THE_REQUEST if status == 401 else error == "invalid_token"
    return Verdict.TOKEN if renews else Verdict.APPLICATION
