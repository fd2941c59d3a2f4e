"""The software statement: what is accepted, what is refused, and that it is never shown."""

from __future__ import annotations

import copy
import io
import pickle
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_tests.common.secrets import jwt
from dcrauth import ConfigurationError, SoftwareStatement

TEXT = jwt(sub="application", iss="auth.adobe.com", iat=1_700_725_699, extra=True)


@pytest.mark.parametrize(
    "text",
    [TEXT, f"\ufeff{TEXT}\n", f"  {TEXT[:20]}\r\n        {TEXT[20:40]}\t{TEXT[40:]} "],
    ids=["as it is", "with a byte order mark", "folded"],
)
def test_white_space_and_marks_are_dropped(text: str) -> None:
    """A statement is the same however its file was saved or its text was pasted."""
    assert SoftwareStatement.of(text).text == TEXT


def test_the_sources_of_a_statement(tmp_path: Path) -> None:
    """Text, a path as text or as Path, open files of either mode and a statement itself all make a statement."""
    path = tmp_path / "software_statement_1700725699585.txt"
    path.write_text(f"\ufeff{TEXT}\n", encoding="utf-8")
    statement = SoftwareStatement(TEXT)
    with path.open() as text_file, path.open("rb") as binary_file:
        for source in (TEXT, str(path), path, text_file, binary_file, statement, io.StringIO(TEXT)):
            assert SoftwareStatement.of(source) == statement


@pytest.mark.fault(
    "a statement was saved by Windows in UTF-16, or is in quotes as in an env file", "it is read all the same"
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("quote", ["", "'", '"'])
def test_statements_from_windows_and_env_files(encoding: str, quote: str, tmp_path: Path) -> None:
    """A file in UTF-16 is read by its mark, as Notepad and PowerShell write it, and quotes around it are dropped."""
    path = tmp_path / "statement.txt"
    mark = "\ufeff" if encoding in {"utf-16-le", "utf-16-be"} else ""
    path.write_bytes(f"{mark}{quote}{TEXT}{quote}\r\n".encode(encoding))
    with path.open("rb") as file:
        for source in (path, str(path), file):
            assert SoftwareStatement.of(source).text == TEXT
    assert SoftwareStatement.of(f" {quote}{TEXT}{quote}\n").text == TEXT


@pytest.mark.parametrize("text", ['""', "''", " '' ", '"'])
def test_quotes_without_a_statement(text: str) -> None:
    """An empty value of an env file is an empty statement, not the name of a file."""
    with pytest.raises(ConfigurationError, match=r"empty|not a JWT"):
        SoftwareStatement.of(text)


def test_a_file_that_was_opened_in_another_encoding(tmp_path: Path) -> None:
    """A file object that decodes wrongly, fails, or returns no text is an error that says how to open the file."""
    path = tmp_path / "statement.txt"
    path.write_bytes(TEXT.encode("utf-16"))
    with path.open(encoding="utf-8") as strict, pytest.raises(ConfigurationError, match="read as bytes"):
        SoftwareStatement.of(strict)
    with path.open(encoding="latin-1") as lenient, pytest.raises(ConfigurationError, match="open it for reading bytes"):
        SoftwareStatement.of(lenient)
    with pytest.raises(ConfigurationError, match="cannot be read from its file: ValueError"):
        SoftwareStatement.of(lenient)
    with path.open("wb") as written, pytest.raises(ConfigurationError, match="cannot be read from its file"):
        SoftwareStatement.of(written)


@pytest.mark.parametrize("length", [101, 300, 1000])
@pytest.mark.parametrize("kind", [str, Path])
def test_a_damaged_statement_that_looks_like_a_path(length: int, kind: Any) -> None:
    """Text that lost its beginning is taken for a path: it is not quoted, and where no file can be called so, told."""
    with pytest.raises(ConfigurationError, match=f"a text of {length} characters") as caught:
        SoftwareStatement.of(kind("x" + (TEXT * 10)[1:length]))
    assert TEXT[5:25] not in str(caught.value)
    assert ("begins with eyJ" in str(caught.value)) == (length > 255)


def test_a_long_path_is_told_by_its_end(tmp_path: Path) -> None:
    """Of a path that is too long to be quoted, the name of the file is told."""
    with pytest.raises(ConfigurationError, match=r"characters that ends in 'statement\.txt': No such file"):
        SoftwareStatement.of(tmp_path / ("folder" * 20) / "statement.txt")


def test_claims_are_read_unverified() -> None:
    """Subject, issuer and time of issue are read; the other claims are there too, and cannot be changed."""
    statement = SoftwareStatement(TEXT)
    assert (statement.subject, statement.issuer, statement.issued_at) == (
        "application",
        "auth.adobe.com",
        1_700_725_699,
    )
    assert statement.claims["extra"] is True
    with pytest.raises(TypeError):
        statement.claims["extra"] = False  # type: ignore[index]


@pytest.mark.parametrize("claims", [{}, {"sub": 5, "iss": None, "iat": "soon"}, {"sub": ""}])
def test_missing_claims_are_none(claims: dict[str, Any]) -> None:
    """A statement without usable claims is still one, and is told by its digest."""
    statement = SoftwareStatement(jwt(**claims))
    assert (statement.subject, statement.issuer, statement.issued_at) == (None, None, None)
    assert len(statement.application) == 64
    assert statement.application != SoftwareStatement(jwt(other=1, **claims)).application


def test_each_download_is_the_same_application() -> None:
    """Two different statements with one subject identify one application, so that its credentials are found again."""
    assert SoftwareStatement(jwt(sub="a", iat=1)).application == SoftwareStatement(jwt(sub="a", iat=2)).application


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty"),
        (" \n", "empty"),
        ("eyJhbGciOiJSUzI1NiJ9", "not a JWT"),
        (TEXT.rpartition(".")[0], "not a JWT"),
        (TEXT.rpartition(".")[0] + ".", "not a JWT"),
        (TEXT[:60], "not a JWT"),
        ("eyJhbGciOiJSUzI1NiJ9.bm90IGpzb24.c2ln", "not a JWT"),
        ("eyJhbGciOiJSUzI1NiJ9.W10.c2ln", "not a JWT"),
        (TEXT + "+/", "not a JWT"),
        ("eyJ" + "a" * 70_000, "longer than"),
    ],
)
def test_what_is_no_statement_is_refused(text: str, message: str) -> None:
    """Empty, cut or other text is an error that says what to do and quotes nothing of it."""
    with pytest.raises(ConfigurationError, match=message) as caught:
        SoftwareStatement.of(text)
    assert not text.strip() or text[3:] not in str(caught.value)


def test_a_missing_file_is_named() -> None:
    """A path that leads nowhere is an error with the path."""
    with pytest.raises(ConfigurationError, match=r"'statement\.txt'.*No such file"):
        SoftwareStatement.of("statement.txt")


def test_a_binary_file_is_refused(tmp_path: Path) -> None:
    """A file that is no text is an error, whichever way it comes in."""
    path = tmp_path / "statement"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigurationError, match="not a text file"):
        SoftwareStatement.of(path)


def test_a_huge_file_is_not_read_whole() -> None:
    """No more than a statement can hold is read of a file."""

    class Endless(io.RawIOBase):
        read_so_far = 0

        def read(self, size: int = -1) -> bytes:
            assert 0 < size < 1_000_000
            return b"e" * size

    with pytest.raises(ConfigurationError, match="longer than"):
        SoftwareStatement.of(Endless())  # type: ignore[arg-type]


def test_other_types_are_refused() -> None:
    """Something that is neither text nor path nor file is an error that names its type."""
    with pytest.raises(ConfigurationError, match="not int"):
        SoftwareStatement.of(5)  # type: ignore[arg-type]


@given(st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_any_text_makes_a_statement_or_a_clear_error(text: str) -> None:
    """No text, however odd, ends in anything but a statement or a ConfigurationError."""
    try:
        SoftwareStatement(text)
    except ConfigurationError:
        return
    assert text.count(".") == 2


def test_it_is_never_shown() -> None:
    """A statement's repr is empty of it, copies are itself, and it is not pickled."""
    statement = SoftwareStatement(TEXT)
    assert TEXT[5:25] not in repr(statement) + str(statement) + f"{statement}"
    assert copy.deepcopy(statement) is statement
    with pytest.raises(TypeError, match="not pickled"):
        pickle.dumps(statement)
