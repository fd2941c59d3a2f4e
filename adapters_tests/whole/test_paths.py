"""Paths as people give them: a ``~`` is the home directory wherever a path can be given."""

from __future__ import annotations

import os
import pwd
from pathlib import Path

import pytest

from adapters_tests.common.world import STATEMENT
from adapters_tests.engine.test_transfer import filled
from dcrauth import AdobePass, ConfigurationError, FileStore, MemoryStore, SQLiteStore
from dcrauth.engine.transfer import export_credentials, import_credentials
from dcrauth.stores.keys import generate_key, key_from_file
from dcrauth.transports.httpx import HttpxTransport
from dcrauth.transports.requests import RequestsTransport


def back_up(path: str | Path) -> None:
    with_a_record = SQLiteStore(os.path.expanduser("~/backed up.db"))
    with_a_record.add("key", b"value")
    with_a_record.backup(path)
    with_a_record.close()


SETTINGS = {
    "file store": lambda path: FileStore(path).add("key", b"value"),
    "sqlite store": lambda path: SQLiteStore(path).add("key", b"value"),
    "backup": back_up,
    "export": lambda path: export_credentials(filled(MemoryStore()), path),
}
READ = {
    "import": lambda path: import_credentials(MemoryStore(), path),
    "key": lambda path: key_from_file(path)(),
    "statement": AdobePass,
    "authorities": lambda path: RequestsTransport(ca_bundle=path).tls_context(),
    "certificate": lambda path: HttpxTransport(client_certificate=(str(path), str(path))).tls_context(),
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home directory, which is not the present one."""
    (tmp_path / "home").mkdir(0o700)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "elsewhere")
    return tmp_path / "home"


@pytest.mark.fault("a path begins with `~`", "it is in the home directory, as a shell would have it")
@pytest.mark.parametrize("kind", [str, Path])
@pytest.mark.parametrize("setting", SETTINGS)
def test_what_is_written_is_written_at_home(home: Path, setting: str, kind: type) -> None:
    """A path that begins with ``~`` leads to the home directory, and no folder of that name is made."""
    SETTINGS[setting](kind("~/given"))
    assert (home / "given").exists()
    assert list(Path.cwd().iterdir()) == []


def test_what_is_read_is_read_at_home(home: Path, authority_file: str) -> None:
    """The same goes for what is read: exports, keys, statements and certificates."""
    export_credentials(filled(MemoryStore()), home / "import")
    (home / "key").touch(0o600)
    (home / "key").write_text(generate_key())
    (home / "statement").write_text(STATEMENT)
    for name in ("authorities", "certificate"):
        (home / name).write_text(authority_file)
    for name, read in READ.items():
        read(f"~/{name}")


@pytest.fixture
def authority_file() -> str:
    """A certificate and its key, as text."""
    import trustme

    issued = trustme.CA().issue_cert("localhost")
    return b"".join(each.bytes() for each in (issued.private_key_pem, *issued.cert_chain_pems)).decode()


@pytest.mark.fault(
    "a path begins with `~`, and nobody knows a home directory, as in a container whose user has no name",
    "`ConfigurationError` where it is given",
)
@pytest.mark.parametrize("setting", [*SETTINGS, *READ])
def test_without_a_home_it_is_an_error(home: Path, setting: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A ``~`` that stands for nothing is an error that says what to write, and no folder of that name is made."""
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    if setting == "backup":
        monkeypatch.setattr(os.path, "expanduser", lambda path: path.replace("~/backed", str(home / "backed")))
    monkeypatch.delenv("HOME")
    with pytest.raises(ConfigurationError, match="give the whole path"):
        (SETTINGS | READ)[setting]("~/given")
    assert list(Path.cwd().iterdir()) == []
