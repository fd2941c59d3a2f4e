"""Adobe's Enhanced Error Codes, found in whatever shape they arrive, in whatever library's response."""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dcrauth._internal.strict_json import json_object, printable
from dcrauth.errors import ConfigurationError

_XML_FIELD = re.compile(r"<(action|status|code|message|details|helpUrl|trace)>([^<]*)</\1>")
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,100}")
_ITEMS = ("decisions", "resources")
_LONGEST_TEXT = 2_000


@dataclass(frozen=True)
class EnhancedError:
    """An error of Adobe Pass (documentation: Enhanced Error Codes). Sets of values may grow; unknown ones are kept.

    Parameters:
        code: what went wrong.
        action: what to do about it: none, configuration, application-registration, authentication, retry, …
        status: the HTTP status that the body names, which may differ from the answer's own.
        message: words for a person, on one line.
        details: more words for a person, on one line.
        help_url: a page that explains the code.
        trace: identifier of the call, for support tickets.
        oauth: whether it is a plain OAuth error object (RFC 6749 §5.2) rather than an Enhanced Error.
    """

    code: str | None = None
    action: str | None = None
    status: int | None = None
    message: str | None = field(default=None, repr=False)
    details: str | None = field(default=None, repr=False)
    help_url: str | None = None
    trace: str | None = None
    oauth: bool = False


def enhanced_error(response: Any) -> EnhancedError | None:
    """Return the error that an answer of Adobe Pass holds, or None if there is none.

    Where items of an answer have errors of their own, as decisions do, it is the first of them, whatever the answer's
    status.

    Parameters:
        response: a response of requests, httpx, httpx2 or aiohttp whose body has been read, or of a `Transport`.

    Raises:
        ConfigurationError: the body has not been read, or *response* is something else.
    """
    status = getattr(response, "status_code", getattr(response, "status", None))
    if not isinstance(status, int):
        raise _not_a_response(response)
    return read_error(_body_of(response), success=200 <= status < 300)


def read_error(body: bytes, *, success: bool = False) -> EnhancedError | None:
    """Return the error in an answer's body, or None where there is none that can be read.

    Reads JSON with the fields at the root, under ``error``, in a list under ``errors``, or at an item of ``decisions``
    or ``resources``; plain OAuth errors; XML.

    Parameters:
        success: whether the answer's status is a success; then a ``code`` at the root may be that of a session.
    """
    try:
        found = json_object(body)
    except ValueError:
        return _from_xml(body.decode("utf-8", "replace"))
    return _from_json(found, ("code", "action") if success else ())


def _from_json(found: Mapping[str, Any], asked_of_root: tuple[str, ...]) -> EnhancedError | None:
    if isinstance(found.get("error"), str) and "action" not in found:
        return EnhancedError(code=_code(found["error"]), message=_words(found.get("error_description")), oauth=True)
    candidates = [found] if all(name in found for name in asked_of_root) else []
    candidates += (each for each in _below(found) if isinstance(each, dict))
    return next((_from_fields(each) for each in candidates if "code" in each or "action" in each), None)


def _below(found: Mapping[str, Any]) -> Iterator[Any]:
    yield found.get("error")
    yield from _list(found.get("errors"))
    for name in _ITEMS:
        yield from (each.get("error") for each in _list(found.get(name)) if isinstance(each, dict))


def _from_fields(fields: Mapping[str, Any]) -> EnhancedError:
    return EnhancedError(
        code=_code(fields.get("code")),
        action=_code(fields.get("action")),
        status=_status(fields.get("status")),
        message=_words(fields.get("message")),
        details=_words(fields.get("details")),
        help_url=printable(fields.get("helpUrl"), _LONGEST_TEXT),
        trace=printable(fields.get("trace")),
    )


def _from_xml(text: str) -> EnhancedError | None:
    """Read the first ``<error>`` element, which is the root, or that of an item."""
    content = text.partition("<error>")[2].partition("</error>")[0]
    fields = {name: html.unescape(value.strip()) for name, value in _XML_FIELD.findall(content)}
    if not ("code" in fields or "action" in fields):
        return None
    status = fields.get("status", "")
    return _from_fields(fields | {"status": int(status) if re.fullmatch("[0-9]{1,3}", status) else None})


def _code(value: object) -> str | None:
    return value if isinstance(value, str) and _CODE.fullmatch(value) else None


def _status(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1000 else None


def _words(value: object) -> str | None:
    """Return what a server says to people, in any script, as one line without control characters."""
    if not isinstance(value, str):
        return None
    line = "".join(c if c.isprintable() else " " for c in value[:_LONGEST_TEXT])
    return " ".join(line.split()) or None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _body_of(response: Any) -> bytes:
    """The body that *response* has at hand; none is ever read here, since the caller may be about to stream it."""
    if hasattr(response, "status_code"):
        return _body_of_requests_or_httpx(response)
    body = getattr(response, "body", getattr(response, "_body", ...))
    if body is None:
        raise ConfigurationError("The body has not been read: await response.read() before enhanced_error(response)")
    if not isinstance(body, bytes):
        raise _not_a_response(response)
    return body


def _body_of_requests_or_httpx(response: Any) -> bytes:
    # requests marks a body that is still on the wire like this; its ``content`` would read all of it.
    if getattr(response, "_content", None) is not False:
        try:
            return response.content or b""
        except RuntimeError:
            """What httpx raises where the body has not been read, and what the error below says."""
    raise ConfigurationError(
        "The body has not been read: before enhanced_error(response), read response.content (requests), call "
        "response.read() or await response.aread() (httpx)"
    )


def _not_a_response(found: object) -> ConfigurationError:
    return ConfigurationError(
        f"enhanced_error takes a response of requests, httpx, httpx2 or aiohttp, not {type(found).__name__}"
    )
