"""Everything that reads what others wrote, behind one face: bytes in; no error but a documented one; sound results.

Each `Parser` takes any bytes as what it reads; where that is wrapped (a record with its checksum, a JWT), it takes them
also as what is inside, and wraps them correctly. So a mutation of the inside gets past the wrapping.
"""

from __future__ import annotations

import base64
import io
import json
import math
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from adapters_tests.common.world import STATEMENT
from dcrauth import (
    AccessToken,
    AdobePass,
    ClientCredentials,
    ConfigurationError,
    DCRAuthError,
    DeviceInfo,
    DeviceInfoWarning,
    MemoryStore,
    Policy,
    SoftwareStatement,
    StoreCorrupt,
    StoreTooNew,
)
from dcrauth.engine import answer_errors, answers, records, rules, token_life
from dcrauth.engine.identity import Identity
from dcrauth.engine.instant import Instant
from dcrauth.engine.records import (
    Forgotten,
    StoredCredentials,
    read_credentials,
    read_token,
    read_unusable,
    storable,
    write_credentials,
    write_token,
    write_unusable,
)
from dcrauth.engine.transfer import import_credentials
from dcrauth.providers.adobe.enhanced_error import EnhancedError, read_error
from dcrauth.providers.origins import is_loopback, origin_of, secure_url
from dcrauth.providers.protocol import Problem, Response, TokenGrant, Verdict

CANARY = "canary-5ecre7-0123456789"
"""Stands in the corpus wherever a secret does, and must never be seen in an error."""

CORPUS = Path(__file__).parent / "corpus"
NOW = Instant(1_000_000.0, 500.0)
IDENTITY = Identity("ab" * 32)

_ADOBE = AdobePass(STATEMENT)
_POLICY = Policy()
_VISIBLE = re.compile(r"[!-~]+")
_VSCHAR = re.compile(r"[ -~]+")
_SAID = re.compile(
    rb'("(error|error_description|code|action|message|details|helpUrl|trace)"|<(action|code|message|details|trace|helpUrl)>)'
)


@dataclass(frozen=True)
class Parser:
    """One reader of untrusted bytes.

    Parameters:
        name: also that of its folder in the corpus.
        raises: the errors that it is documented to raise.
        read: reads bytes in every way that there is; asserts that results are sound.
    """

    name: str
    raises: tuple[type[Exception], ...]
    read: Callable[[bytes], None]

    def examples(self) -> list[Path]:
        """The files of the corpus, in order."""
        return sorted((CORPUS / self.name).iterdir())

    def check(self, data: bytes) -> None:
        """Read *data*; raise whatever else than a documented error comes of it."""
        try:
            self.read(data)
        except self.raises as error:
            check_error(error, data)


def check_error(error: Exception, data: bytes) -> None:
    """Assert that an error says something, in a line that is fit for a log, and shows no secret."""
    seen: BaseException | None = error
    while seen is not None:
        text = f"{seen} {seen!r}"
        assert CANARY not in text, "a secret in an error"
        assert len(text) < 2_000, "an error that quotes what it has read"
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    assert str(error).isprintable(), "an error that is no line of text"
    if isinstance(error, DCRAuthError):
        assert error.message


def _each(readers: list[Callable[[], None]], raises: tuple[type[Exception], ...], data: bytes) -> None:
    """Run all *readers*, although some raise; raise the last of their errors."""
    last: Exception | None = None
    for reader in readers:
        try:
            reader()
        except raises as error:
            check_error(error, data)
            last = error
    if last is not None:
        raise last


def _sound_problem(problem: Problem, data: bytes) -> None:
    text = repr(problem)
    assert CANARY not in text or _SAID.search(data), "a secret in a problem"
    for line in (problem.reason, problem.error, problem.description, problem.trace):
        assert line is None or (line.isascii() and line.isprintable() and len(line) <= 200)
    answers.meaning(problem)
    error = answer_errors.error_of(problem, "https://example.com/token", False, None)
    check_error(error, b"") if CANARY not in text else None


def read_registration(data: bytes) -> None:
    """Read the answer of a registration, with every status that matters; what is accepted can be stored."""
    for status in (201, 200, 400, 401, 503):
        found = _ADOBE.read_registration(Response(status, {}, data))
        if isinstance(found, Problem):
            _sound_problem(found, data)
            continue
        assert status < 300
        assert isinstance(found, ClientCredentials)
        assert _VSCHAR.fullmatch(found.client_id)
        assert _VSCHAR.fullmatch(found.client_secret)
        assert CANARY not in repr(found)
        _ADOBE.token_request(found)
        found = storable(IDENTITY.credentials, found)
        if found is None:
            assert len(data) > records.LARGEST / 2, "a short answer that no record can hold"
            continue
        written = write_credentials(IDENTITY.credentials, found)
        back = read_credentials(IDENTITY.credentials, written.data)
        assert isinstance(back, StoredCredentials)
        assert back.credentials == found
        assert back.credentials.metadata == found.metadata


def read_token_answer(data: bytes) -> None:
    """Read the answer of a token request, also with *data* as the claims of a token that is a JWT."""
    for status in (201, 200, 400, 503):
        _sound_grant(_ADOBE.read_token(Response(status, {}, data)), data)
    if len(data) < 10_000:
        _sound_grant(TokenGrant(f"e30.{_base64(data)}.{CANARY}", None), data)


def _sound_grant(found: TokenGrant | Problem, data: bytes) -> None:
    if isinstance(found, Problem):
        return _sound_problem(found, data)
    assert CANARY not in repr(found)
    token = token_life.granted(found, NOW, _POLICY)
    _sound_token(token)
    assert 0 <= token.life <= token_life.LONGEST_LIFE + 1
    token_life.held(token, NOW, 0.5, _POLICY)
    assert read_token(IDENTITY.token, write_token(IDENTITY.token, token)) == token
    return None


def _sound_token(token: AccessToken) -> None:
    assert isinstance(token.value, str)
    assert _VISIBLE.fullmatch(token.value)
    assert _is_moment(token.obtained_at)
    assert _is_moment(token.expires_at)
    assert CANARY not in repr(token)


def _is_moment(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def read_enhanced_error(data: bytes) -> None:
    """Read an Enhanced Error and what a 401 with it says."""
    assert isinstance(_ADOBE.verdict(401, {}, data), Verdict)
    for success in (False, True):
        found = read_error(data, success=success)
        if found is not None:
            _sound_enhanced(found)


def _sound_enhanced(found: EnhancedError) -> None:
    for word in (found.code, found.action, found.trace, found.help_url):
        assert word is None or (word and word.isascii() and word.isprintable())
    for words in (found.message, found.details):
        assert words is None or (words and words.isprintable() and len(words) <= 2_000)
    assert found.status is None or (type(found.status) is int and 0 <= found.status < 1000)
    hash(found)


def read_retry_after(data: bytes) -> None:
    """Read ``Retry-After`` in the first line of *data* and ``Expires`` in the second, as HTTP libraries give them.

    Each of them is read as ``X-RateLimit-Reset`` as well.
    """
    first, _, second = data.decode("latin-1").partition("\n")
    for told in ((first, None, second), (None, second, first), (first, second, None), (None, None, first)):
        for status in (429, 503):
            problem = Problem("", status, retry_after=told[0], expires=told[1], rate_limit_reset=told[2])
            wait = rules.pause(problem, 1, NOW, 0.5, _POLICY)
            assert isinstance(wait, float | int)
            assert 0 <= wait <= answers.LONGEST_WAIT * (1.0 + rules.JITTER)


def read_credentials_record(data: bytes) -> None:
    """Read a record of credentials, or of credentials that were forgotten: as it is, resealed, and as a payload."""
    key = IDENTITY.credentials
    readers = [lambda each=each: _credentials_of(key, each) for each in (data, *_resealed(key, data))]
    _each(readers, (StoreCorrupt, StoreTooNew), data)


def _credentials_of(key: str, record: bytes) -> None:
    found = read_credentials(key, record)
    assert type(found.generation) is int
    assert found.generation >= 1
    assert found.data == record
    if isinstance(found, Forgotten):
        return
    pair = found.credentials
    # A client that proves itself otherwise has no secret; an empty one is none.
    for text in (pair.client_id, *([] if pair.client_secret is None else [pair.client_secret])):
        assert isinstance(text, str)
        assert text
        assert text.isprintable()
    assert _is_moment(pair.registered_at)
    assert pair.replaced_at is None or _is_moment(pair.replaced_at)
    assert isinstance(pair.metadata, dict)
    assert CANARY not in repr(found)
    rules.may_register_again(pair, NOW, _POLICY)
    _ADOBE.token_request(pair)
    again = read_credentials(key, write_credentials(key, pair, found.generation).data)
    assert isinstance(again, StoredCredentials)
    assert again.credentials == pair


def read_token_record(data: bytes) -> None:
    """Read a record of a token: as it is, resealed, and as a payload."""
    key = IDENTITY.token
    readers = [lambda each=each: _token_of(key, each) for each in (data, *_resealed(key, data))]
    _each(readers, (StoreCorrupt, StoreTooNew), data)


def _token_of(key: str, record: bytes) -> None:
    token = read_token(key, record)
    _sound_token(token)
    rules.adoptable(token, None, NOW, _POLICY)
    token_life.held(token, NOW, 0.5, _POLICY)


def read_registration_note(data: bytes) -> None:
    """Read a note on a registration that has brought nothing usable: as it is, resealed, and as a payload."""
    key = IDENTITY.registration
    readers = [lambda each=each: _note_of(key, each) for each in (data, *_resealed(key, data))]
    _each(readers, (StoreCorrupt, StoreTooNew), data)


def _note_of(key: str, record: bytes) -> None:
    note = read_unusable(key, record)
    assert _is_moment(note.noted_at)
    assert note.status is None or type(note.status) is int
    rules.is_barred(note, "digest", NOW)
    check_error(answer_errors.barred("https://example.com/register", note.status), b"")
    assert read_unusable(key, write_unusable(key, note)) == note


def _resealed(key: str, data: bytes) -> Iterator[bytes]:
    """What a record with such content would be if it had been written by us: its key and its checksum are right."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return
    if not isinstance(found, dict):
        return
    yield from sealed(key, found.get("generation", 1), found.get("payload", found), found.get("schema", 1))


def sealed(key: str, generation: Any, payload: Any, schema: Any) -> Iterator[bytes]:
    frame = {"format": records.FORMAT, "schema": schema, "key": key, "generation": generation, "payload": payload}
    try:
        yield records._canonical(frame | {"checksum": records._checksum(frame)})
    except RecursionError:
        return


def read_statement(data: bytes) -> None:
    """Read a software statement: as a file, as text, as a path, and with *data* as its claims."""
    text = data.decode("utf-8", "surrogateescape")
    readers: list[Callable[[], None]] = [
        lambda: _sound_statement(SoftwareStatement.of(io.BytesIO(data))),
        lambda: _sound_statement(SoftwareStatement(text)),
        lambda: _sound_statement(SoftwareStatement(f"{_base64(b'{}')}.{_base64(data)}.{CANARY}")),
    ]
    if not os.path.exists(text.partition("\0")[0] or "."):
        readers.append(lambda: _statement_or_path(text))
    _each(readers, (ConfigurationError,), data)


def _statement_or_path(text: str) -> None:
    try:
        _sound_statement(SoftwareStatement.of(text))
    except ConfigurationError as error:
        # A short name that leads nowhere is shown; no software statement is as short.
        check_error(error, b"") if len(text) > 100 else None


def _sound_statement(statement: SoftwareStatement) -> None:
    assert _VISIBLE.fullmatch(statement.text)
    assert statement.text.count(".") == 2
    assert statement.issued_at is None or _is_moment(statement.issued_at)
    assert statement.subject is None or statement.subject
    assert statement.issuer is None or statement.issuer
    assert statement.application
    assert CANARY not in repr(statement)
    provider = AdobePass(statement)
    assert json.loads(provider.registration_request().body) == {"software_statement": statement.text}
    Identity.of(provider.register_url, provider.token_url, provider.application, "default")


def read_export(data: bytes) -> None:
    """Read a file of exported credentials: as it is, and with *data* as the record of its only line."""
    whole = [data]
    record = data.decode("utf-8", "replace")
    heading = '{"format": "dcrauth-export", "schema": 1}\n'
    line = json.dumps({"key": IDENTITY.credentials, "record": record})
    whole.append(f'{heading}{line}\n{{"records": 1}}\n'.encode())
    readers = [lambda each=each: _import(each) for each in whole]
    _each(readers, (ConfigurationError, StoreCorrupt, StoreTooNew), data)


def _import(data: bytes) -> None:
    store = MemoryStore()
    with tempfile.NamedTemporaryFile(dir=_fast_folder()) as file:
        file.write(data)
        file.flush()
        counted = import_credentials(store, file.name)
    kept = list(store.keys())
    assert counted.written == len(kept)
    assert counted.kept >= 0
    for key in kept:
        record = store.get(key)
        assert record is not None
        _credentials_of(key, record)


def _fast_folder() -> str | None:
    return "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  # tests only, with names that are not guessed


def read_url(data: bytes) -> None:
    """Read the URL of a setting."""
    text = data.decode("utf-8", "surrogateescape")
    if CANARY in _shown_of(text):
        text = re.sub(CANARY, "canary", text, flags=re.IGNORECASE)
    readers: list[Callable[[], None]] = [lambda: _sound_url(text), lambda: _sound_origin(text)]
    _each(readers, (ConfigurationError,), data)


def _shown_of(url: str) -> str:
    """What an error may show of *url*: scheme and host, in which there is no secret."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    return f"{parts.scheme} {parts.hostname}"


def _sound_url(text: str) -> None:
    url = secure_url(text, "base_url")
    assert url.isprintable()
    assert not set(" ?#\\") & set(url)
    assert "@" not in urlsplit(url).netloc
    assert origin_of(url).scheme == "https" or is_loopback(origin_of(url).host)
    provider = AdobePass(STATEMENT, base_url=text)
    assert provider.protected_origins == {origin_of(provider.token_url)}


def _sound_origin(text: str) -> None:
    found = origin_of(text)
    assert found.host
    assert 0 <= found.port < 65536


def read_device(data: bytes) -> None:
    """Read an X-Device-Info header: as it is, and with *data* as the JSON in it."""
    readers = [
        lambda: _sound_device(data.decode("latin-1")),
        lambda: _sound_device(base64.b64encode(data).decode()),
    ]
    _each(readers, (ConfigurationError,), data)


def _sound_device(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeviceInfoWarning)
        header = DeviceInfo.from_header(text).header
    assert _VISIBLE.fullmatch(header)


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


PARSERS = (
    Parser("registration", (), read_registration),
    Parser("token", (), read_token_answer),
    Parser("enhanced_error", (), read_enhanced_error),
    Parser("retry_after", (), read_retry_after),
    Parser("credentials_record", (StoreCorrupt, StoreTooNew), read_credentials_record),
    Parser("token_record", (StoreCorrupt, StoreTooNew), read_token_record),
    Parser("registration_note", (StoreCorrupt, StoreTooNew), read_registration_note),
    Parser("statement", (ConfigurationError,), read_statement),
    Parser("export", (ConfigurationError, StoreCorrupt, StoreTooNew), read_export),
    Parser("url", (ConfigurationError,), read_url),
    Parser("device", (ConfigurationError,), read_device),
)
