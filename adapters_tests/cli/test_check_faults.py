"""What ``dcrauth check`` says of each fault: the word, what to do, the exit status, and the same in JSON.

Each against real sockets on loopback. Only what the server has refused is called refused, and nobody is advised to
register because of anything else.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import re
import shutil
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import keyring.errors
import pytest
import trustme

from adapters_tests.cli.running import Run
from adapters_tests.cli.test_status import damaged, valid
from adapters_tests.common.ports import free_port
from adapters_tests.common.secrets import jwt
from adapters_tests.servers.odd_server import OddServer, reset_after, says, silent
from adapters_tests.stores.test_encrypted_store import Keyring
from adapters_tests.transports.test_transports import TRANSPORTS
from dcrauth import (
    AdobePass,
    ClientCredentials,
    ConfigurationError,
    EncryptedStore,
    FileStore,
    MemoryStore,
    SQLiteStore,
    Store,
    StoreUnavailable,
)
from dcrauth.cli import check, check_lines
from dcrauth.cli.check_settings import CheckSettings, gathered
from dcrauth.cli.findings import Finding, Word
from dcrauth.cli.lines import Line, plain
from dcrauth.engine.identity import Identity
from dcrauth.engine.records import write_credentials
from dcrauth.providers.software_statement import SoftwareStatement
from dcrauth.simulator import Fault, Simulator
from dcrauth.stores.keys import key_from_keyring
from dcrauth.transports.requests import RequestsTransport

STATEMENT = jwt(sub="app", iss="auth.example", iat=1)
NAME = "sp.auth.example"
PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
QUICK = {"connect_timeout": 1.0, "read_timeout": 1.0, "total_timeout": 2.0}

REGISTERING = re.compile(r"--register|register (it )?(again|anew)|forget")


@dataclass(frozen=True)
class Case:
    """A fault as it was made.

    Parameters:
        settings: what is checked.
        check: the check that finds it.
        word: what that says.
        advice: a part of what is to be done.
        status: the exit status.
    """

    settings: CheckSettings
    check: str
    word: Word
    advice: str
    status: int


Made = Callable[["Faults"], Case]


class Faults:
    """What makes the faults: servers on loopback that end with the test, files, an environment."""

    def __init__(self, opened: ExitStack, patch: pytest.MonkeyPatch, folder: Path, authority: trustme.CA) -> None:
        self.opened, self.patch, self.folder, self.authority = opened, patch, folder, authority
        self.kind: Any = RequestsTransport

    def server(self, behave: Callable[[Any], None], context: ssl.SSLContext | None = None) -> OddServer:
        return self.opened.enter_context(OddServer(behave, context))

    def context(self, *names: str, authority: trustme.CA | None = None, **validity: Any) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        (authority or self.authority).issue_cert(*names, **validity).configure_cert(context)
        return context

    def bundle(self) -> str:
        path = self.folder / "authority.pem"
        self.authority.cert_pem.write_to_path(str(path))
        return str(path)

    def at(self, url: str, store: Store | None = None, **options: Any) -> CheckSettings:
        provider = AdobePass(STATEMENT, base_url=url)
        transport = self.kind(**QUICK, ca_bundle=self.bundle(), **options)
        self.opened.callback(transport.close)
        return CheckSettings(
            SoftwareStatement(STATEMENT),
            provider,
            (provider.token_url, provider.register_url),
            MemoryStore() if store is None else store,
            transport,
        )

    def answering(self, head: str, body: str = "", kind: str = "application/json") -> CheckSettings:
        text = f"HTTP/1.1 {head}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        return self.at(self.server(says(text.encode())).url)

    def with_proxy(self, proxy: str) -> CheckSettings:
        self.patch.setenv("HTTPS_PROXY", proxy)
        return self.at(f"https://{NAME}")


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Faults]:
    """Makes faults."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with ExitStack() as opened:
        yield Faults(opened, monkeypatch, tmp_path, AUTHORITY)


AUTHORITY = trustme.CA()
GOOD = "HTTP/1.1 400 Bad Request\r\nContent-Type: application/json\r\n"
INVALID = '{"error": "invalid_request"}'


def no_name(faults: Faults) -> Case:
    def refuse(host: str, *_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    faults.patch.setattr(socket, "getaddrinfo", refuse)
    return Case(faults.at(f"https://{NAME}"), "dns", Word.NOT_REACHABLE, "name servers", 3)


def no_connection(faults: Faults) -> Case:
    return Case(faults.at(f"https://127.0.0.1:{free_port()}"), "tcp", Word.NOT_REACHABLE, "firewall", 3)


def stranger(faults: Faults) -> Case:
    server = faults.server(silent, faults.context("127.0.0.1", authority=trustme.CA()))
    return Case(faults.at(server.url), "tls", Word.NOT_TRUSTED, "SSL_CERT_FILE", 3)


def expired(faults: Faults) -> Case:
    past = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    context = faults.context("127.0.0.1", not_before=dt.datetime(2019, 1, 1, tzinfo=dt.UTC), not_after=past)
    return Case(faults.at(faults.server(silent, context).url), "tls", Word.NOT_TRUSTED, "clock", 3)


def of_another(faults: Faults) -> Case:
    server = faults.server(silent, faults.context("other.example"))
    return Case(faults.at(server.url), "tls", Word.NOT_TRUSTED, "another one", 3)


def no_tls(faults: Faults) -> Case:
    listener = faults.opened.enter_context(socket.create_server(("127.0.0.1", 0)))

    def answer() -> None:
        with listener.accept()[0] as connection:
            connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            connection.recv(65_536)

    thread = threading.Thread(target=answer)
    thread.start()
    faults.opened.callback(thread.join, 10)
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    return Case(faults.at(url), "tls", Word.NOT_REACHABLE, "base_url", 3)


def proxy_gone(faults: Faults) -> Case:
    return Case(faults.with_proxy(f"http://127.0.0.1:{free_port()}"), "tcp", Word.NOT_REACHABLE, "proxy", 3)


def proxy_asks(faults: Faults) -> Case:
    proxy = faults.server(says(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"))
    return Case(faults.with_proxy(proxy.url), "proxy-tunnel", Word.BLOCKED, "user and password", 3)


def proxy_of_tls_asks(faults: Faults) -> Case:
    proxy = faults.server(says(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n"), faults.context("127.0.0.1"))
    return Case(faults.with_proxy(proxy.url), "proxy-tunnel", Word.BLOCKED, "user and password", 3)


def proxy_of_tls_is_a_stranger(faults: Faults) -> Case:
    proxy = faults.server(silent, faults.context("127.0.0.1", authority=trustme.CA()))
    return Case(faults.with_proxy(proxy.url), "proxy-tls", Word.NOT_TRUSTED, "SSL_CERT_FILE", 3)


def proxy_is_none(faults: Faults) -> Case:
    faults.patch.setenv("HTTPS_PROXY", "http://[")
    return Case(faults.at(f"https://{NAME}"), "proxy", Word.NOT_USABLE, "", 2)


def throttled(faults: Faults) -> Case:
    settings = faults.answering("429 Too Many Requests\r\nRetry-After: 30")
    return Case(settings, "answer", Word.THROTTLED, "wait", 3)


def failing(faults: Faults) -> Case:
    return Case(faults.answering("503 Service Unavailable"), "answer", Word.FAILING, "wait", 3)


def page_of_a_firewall(faults: Faults) -> Case:
    settings = faults.answering("403 Forbidden", "<html>Request blocked [red]</html>", "text/html")
    return Case(settings, "answer", Word.BLOCKED, "firewall", 3)


def gateway(faults: Faults) -> Case:
    return Case(faults.answering("403 Forbidden", '{"error": "Forbidden"}'), "answer", Word.BLOCKED, "gateway", 3)


def portal(faults: Faults) -> Case:
    settings = faults.answering("302 Found\r\nLocation: https://login.example/")
    return Case(settings, "answer", Word.BLOCKED, "in between", 3)


def cut_off(faults: Faults) -> Case:
    settings = faults.at(faults.server(reset_after(b"")).url)
    return Case(settings, "answer", Word.NOT_REACHABLE, "nothing that is stored", 3)


def elsewhere(faults: Faults) -> Case:
    return Case(faults.answering("404 Not Found", "<html>", "text/html"), "answer", Word.NOT_USABLE, "base_url", 2)


def of_another_kind(faults: Faults) -> Case:
    settings = faults.answering("501 Unsupported method ('POST')", "<html>", "text/html")
    return Case(settings, "answer", Word.NOT_USABLE, "base_url", 2)


def late_clock(faults: Faults) -> Case:
    date = format_datetime(dt.datetime.now(dt.UTC) + dt.timedelta(hours=2), usegmt=True)
    return Case(faults.answering(f"400 Bad Request\r\nDate: {date}", INVALID), "clock", Word.WARNING, "NTP", 0)


def early_clock(faults: Faults) -> Case:
    date = format_datetime(dt.datetime.now(dt.UTC) - dt.timedelta(hours=2), usegmt=True)
    return Case(faults.answering(f"400 Bad Request\r\nDate: {date}", INVALID), "clock", Word.WARNING, "NTP", 0)


def stored(store: Store, url: str) -> Store:
    """Put a client of the settings at *url* into *store*."""
    key = identity_at(url).credentials
    store.add(key, write_credentials(key, ClientCredentials("canary-id", "canary-secret", 1.0)).data)
    return store


def identity_at(url: str) -> Identity:
    return Identity.of(f"{url}/o/client/register", f"{url}/o/client/token", "app", "default")


def well(faults: Faults) -> str:
    """Return the URL of a server that is well."""
    return faults.server(says(f"{GOOD}Content-Length: {len(INVALID)}\r\n\r\n{INVALID}".encode())).url


def with_keyring(faults: Faults, backend: Keyring) -> CheckSettings:
    url = well(faults)
    faults.patch.setattr("keyring.core._keyring_backend", backend)
    inner = MemoryStore()
    stored(EncryptedStore(inner, keys=[b"k" * 32]), url)
    return faults.at(url, EncryptedStore(inner, keys=[key_from_keyring("shop", timeout=0.05)]))


def hanging_keyring(faults: Faults) -> Case:
    unlocked = threading.Event()
    faults.opened.callback(unlocked.set)
    settings = with_keyring(faults, Keyring(until=unlocked))
    return Case(settings, "credentials", Word.NOT_READABLE, "nothing is lost", 4)


def locked_keyring(faults: Faults) -> Case:
    settings = with_keyring(faults, Keyring(keyring.errors.KeyringLocked("canary")))
    return Case(settings, "credentials", Word.NOT_READABLE, "nothing is lost", 4)


def no_key(faults: Faults) -> Case:
    settings = with_keyring(faults, Keyring(None))
    return Case(settings, "credentials", Word.NOT_READABLE, "nothing is lost", 4)


def no_key_at_all(faults: Faults) -> Case:
    settings = with_keyring(faults, Keyring("a password of somebody's"))
    return Case(settings, "credentials", Word.NOT_USABLE, "", 2)


def damaged_record(faults: Faults) -> Case:
    url, store = well(faults), MemoryStore()
    damaged(store, identity_at(url).credentials)
    return Case(faults.at(url, store), "credentials", Word.NOT_READABLE, "dcrauth store check", 4)


def open_to_all(faults: Faults) -> Case:
    folder = faults.folder / "store"
    folder.mkdir()
    folder.chmod(0o777)
    return Case(faults.at(well(faults), FileStore(folder)), "permissions", Word.NOT_READABLE, "chmod 700", 4)


def no_directory(faults: Faults) -> Case:
    (faults.folder / "store").write_text("a file")
    settings = faults.at(well(faults), FileStore(faults.folder / "store"))
    return Case(settings, "health", Word.NOT_READABLE, "another place", 4)


def below_a_file(faults: Faults) -> Case:
    (faults.folder / "file").write_text("a file")
    settings = faults.at(well(faults), FileStore(faults.folder / "file" / "store"))
    return Case(settings, "health", Word.NOT_READABLE, "another place", 4)


def database_below_a_file(faults: Faults) -> Case:
    (faults.folder / "file").write_text("a file")
    settings = faults.at(well(faults), SQLiteStore(faults.folder / "file" / "store" / "client.db"))
    return Case(settings, "health", Word.NOT_READABLE, "another place", 4)


def no_place_for_files(faults: Faults) -> Case:
    settings = faults.at(well(faults), FileStore("/proc/dcrauth"))
    return Case(settings, "health", Word.NOT_READABLE, "another place", 4)


def lost_store(faults: Faults) -> Case:
    url, folder = well(faults), faults.folder / "store"
    stored(FileStore(folder), url)
    shutil.rmtree(folder)
    return Case(faults.at(url, FileStore(folder)), "health", Word.NOT_READABLE, "backup", 4)


def no_store(faults: Faults) -> Case:
    settings = replace(faults.at(well(faults)), store=ConfigurationError("The URL names no store"))
    return Case(settings, "store", Word.NOT_USABLE, "", 2)


def no_statement(faults: Faults) -> Case:
    wrong = ConfigurationError(
        "The software statement is empty; get it again from whoever issues it (Adobe Pass: the TVE Dashboard)"
    )
    settings = replace(faults.at(well(faults)), statement=wrong, provider=wrong)
    return Case(settings, "statement", Word.NOT_USABLE, "", 2)


def no_library(faults: Faults) -> Case:
    wrong = ConfigurationError("No HTTP library is installed; run: pip install dcrauth[requests]")
    return Case(replace(faults.at(well(faults)), transport=wrong), "transport", Word.NOT_USABLE, "", 2)


def old_statement(faults: Faults) -> Case:
    statement = SoftwareStatement(jwt(sub="app", exp=1))
    settings = replace(faults.at(well(faults)), statement=statement)
    return Case(settings, "statement-expiry", Word.WARNING, "stay good", 0)


def refused_client(faults: Faults) -> Case:
    """The one server that says no: to the credentials, when it is asked for a token."""
    text = '{"error": "invalid_client"}'
    url = faults.server(says(f"{GOOD}Content-Length: {len(text)}\r\n\r\n{text}".encode())).url
    settings = replace(faults.at(url, stored(MemoryStore(), url)), token=True)
    return Case(settings, "token-call", Word.REFUSED, "registers another one", 1)


def refused_statement(faults: Faults) -> Case:
    text = '{"error": "invalid_software_statement"}'
    url = faults.server(says(f"{GOOD}Content-Length: {len(text)}\r\n\r\n{text}".encode())).url
    return Case(replace(faults.at(url), register=True), "registration", Word.REFUSED, "statement", 1)


def throttled_registration(faults: Faults) -> Case:
    """A server that answers, and then asks for fewer calls when it is to register."""
    turns = iter([INVALID])

    def behave(connection: socket.socket) -> None:
        text = next(turns, "")
        head = GOOD if text else "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 3600\r\n"
        connection.sendall(f"{head}Content-Length: {len(text)}\r\n\r\n{text}".encode())

    settings = replace(faults.at(faults.server(behave).url), register=True)
    return Case(settings, "registration", Word.THROTTLED, "wait", 3)


TABLE: list[Made] = [
    no_name,
    no_connection,
    stranger,
    expired,
    of_another,
    no_tls,
    proxy_gone,
    proxy_asks,
    proxy_of_tls_asks,
    proxy_of_tls_is_a_stranger,
    proxy_is_none,
    throttled,
    failing,
    page_of_a_firewall,
    gateway,
    portal,
    cut_off,
    elsewhere,
    of_another_kind,
    late_clock,
    early_clock,
    hanging_keyring,
    locked_keyring,
    no_key,
    no_key_at_all,
    damaged_record,
    open_to_all,
    no_directory,
    below_a_file,
    database_below_a_file,
    pytest.param(  # type: ignore[list-item]
        no_place_for_files,
        marks=pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has a /proc"),
        id="no_place_for_files",
    ),
    lost_store,
    no_store,
    no_statement,
    no_library,
    old_statement,
    refused_client,
    refused_statement,
    throttled_registration,
]


@pytest.mark.parametrize("made", TABLE, ids=lambda made: made.__name__)
def test_each_fault_has_its_word(made: Made, faults: Faults) -> None:
    """Each fault is called what it is, with what to do and an exit status; only a server's no is called refused."""
    case = made(faults)
    findings = list(check.findings_of(case.settings))
    report = valid(check.report_of(findings), "check")
    (found,) = [each for each in findings if each.check == case.check]
    assert found.word is case.word, found
    assert case.advice in found.advice, found
    assert report["exit_status"] == case.status
    assert {"check": case.check, "word": case.word.value}.items() <= _in_json(report, case.check).items()
    refused = {each.check for each in findings if each.word is Word.REFUSED}
    assert refused == ({case.check} if case.word is Word.REFUSED else set())
    assert not [each for each in findings if REGISTERING.search(each.advice)]
    assert "canary" not in f"{report}"


def _in_json(report: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(each for each in report["findings"] if each["check"] == name)
    return found


def named(findings: list[Finding]) -> dict[str, Finding]:
    return {each.check: each for each in findings}


def no_statement_named(faults: Faults) -> CheckSettings:
    return gathered(None, AdobePass, MemoryStore, base_url="http://127.0.0.1:1")


def no_such_file(faults: Faults) -> CheckSettings:
    return gathered(str(faults.folder / "none"), AdobePass, MemoryStore, base_url="http://127.0.0.1:1")


def no_url(faults: Faults) -> CheckSettings:
    return gathered(_file(faults), AdobePass, MemoryStore, base_url="http://sp.auth.example")


def no_such_environment(faults: Faults) -> CheckSettings:
    return gathered(_file(faults), AdobePass, MemoryStore, environment="production")  # type: ignore[arg-type]


def no_such_device(faults: Faults) -> CheckSettings:
    def provider(statement: SoftwareStatement) -> AdobePass:
        return AdobePass(statement, base_url="http://127.0.0.1:1", forwarded_for="not an address")

    return gathered(_file(faults), provider, MemoryStore, base_url="http://127.0.0.1:1")


def no_extra(faults: Faults) -> CheckSettings:
    def store() -> Store:
        raise ImportError("RedisStore needs redis; run: pip install dcrauth[redis]")

    return gathered(_file(faults), lambda text: AdobePass(text, base_url="http://127.0.0.1:1"), store)


def _file(faults: Faults) -> str:
    path = faults.folder / "statement.txt"
    path.write_text(STATEMENT)
    return str(path)


@pytest.mark.parametrize(
    ("made", "name", "told"),
    [
        (no_statement_named, "statement", "$DCRAUTH_SOFTWARE_STATEMENT"),
        (no_such_file, "statement", "No such file"),
        (no_url, "server", "https"),
        (no_such_environment, "server", "release-production"),
        (no_such_device, "settings", "forwarded_for"),
        (no_extra, "store", "pip install dcrauth[redis]"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_settings_that_will_not_do_are_findings(
    made: Callable[[Faults], CheckSettings], name: str, told: str, faults: Faults
) -> None:
    """What cannot be made of the settings is told with the rest, and the exit status says that they are to blame."""

    def fail(host: str, *_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    faults.patch.setattr(socket, "getaddrinfo", fail)
    findings = list(check.findings_of(made(faults)))
    report = valid(check.report_of(findings), "check")
    found = named(findings)[name]
    assert (found.word, report["exit_status"]) == (Word.NOT_USABLE, 2)
    assert told in found.found
    assert named(findings)["version"].word is Word.OK


def test_what_comes_after_a_fault_is_not_tried(faults: Faults) -> None:
    """A step that cannot be tried any more is neither well nor a fault of its own."""
    found = named(list(check.findings_of(replace(no_connection(faults).settings, token=True))))
    assert {found[name].word for name in ("tls", "answer", "clock", "token-call")} == {Word.NOT_TRIED}


EACH_KIND = pytest.mark.parametrize("kind", TRANSPORTS, ids=lambda kind: kind.__name__)


@EACH_KIND
def test_a_server_that_is_well_has_no_fault(kind: Any, faults: Faults) -> None:
    """Over TLS, with an authority of its own, all is well, with each HTTP library."""
    faults.kind = kind
    text = (
        f"{GOOD}Date: {format_datetime(dt.datetime.now(dt.UTC), usegmt=True)}\r\nContent-Length: {len(INVALID)}\r\n\r\n"
    )
    server = faults.server(says(f"{text}{INVALID}".encode()), faults.context("127.0.0.1"))
    findings = list(check.findings_of(faults.at(server.url)))
    found = named(findings)
    assert {found[name].word for name in ("proxy", "dns", "tcp", "tls", "answer", "clock")} == {Word.OK}
    assert "trustme" in found["tls"].found
    assert check.report_of(findings)["exit_status"] == 0


@EACH_KIND
def test_the_way_leads_through_a_proxy(kind: Any, faults: Faults) -> None:
    """A proxy of the environment is named with its variable and without its password, and asked as a call asks it."""
    faults.kind = kind
    context, body = faults.context(NAME), f"{GOOD}Content-Length: {len(INVALID)}\r\n\r\n{INVALID}".encode()

    def lead(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
        with context.wrap_socket(connection, server_side=True) as secured:
            text = b""
            while part := secured.recv(65_536):
                text += part
                if b"grant_type" in text:
                    secured.sendall(body)
                    return

    proxy = faults.server(lead)
    findings = list(check.findings_of(faults.with_proxy(proxy.url.replace("://", "://user:canary@"))))
    found = named(findings)
    assert {found[name].word for name in ("proxy", "dns", "tcp", "proxy-tunnel", "tls", "answer")} == {Word.OK}
    assert found["proxy"].found == f"{proxy.url}, from the environment variable HTTPS_PROXY"
    assert all(each.startswith(b"CONNECT sp.auth.example:443 ") for each in proxy.received)
    assert all(b"Proxy-Authorization: Basic dXNlcjpjYW5hcnk=" in each for each in proxy.received)
    assert "canary" not in f"{findings}"


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "no environment variable names one"),
        ({"HTTPS_PROXY": ""}, "no environment variable names one"),
        ({"HTTPS_PROXY": "http://127.0.0.1:1", "NO_PROXY": NAME}, "HTTPS_PROXY is set, and NO_PROXY excepts this host"),
        ({"https_proxy": "http://127.0.0.1:1"}, "http://127.0.0.1:1, from the environment variable https_proxy"),
        ({"ALL_PROXY": "http://127.0.0.1:1"}, "http://127.0.0.1:1, from the environment variable ALL_PROXY"),
        ({"HTTPS_PROXY": "127.0.0.1:1"}, "http://127.0.0.1:1, from the environment variable HTTPS_PROXY"),
    ],
    ids=["none", "empty", "excepted", "lower", "all", "bare"],
)
def test_why_a_proxy_is_used_or_not(environment: dict[str, str], told: str, faults: Faults) -> None:
    """The variable that names the proxy, or the reason why none is used, is told."""
    for name, value in environment.items():
        faults.patch.setenv(name, value)
    found = named(list(check.findings_of(faults.at(f"https://{NAME}"))))
    assert told in found["proxy"].found


def test_nothing_is_changed_unless_it_is_asked_for(adobe: Simulator, tmp_path: Path) -> None:
    """A check makes no client, no token and no file."""
    settings = at(adobe, FileStore(tmp_path / "store"))
    assert check.report_of(check.findings_of(settings))["exit_status"] == 0
    assert adobe.counts.register == 0
    assert [call.body for call in adobe.calls] == [b"grant_type=client_credentials"]
    assert os.listdir(tmp_path) == []


def at(adobe: Simulator, store: Store, **asked: bool) -> CheckSettings:
    provider = AdobePass(adobe.software_statement, base_url=adobe.url)
    urls = (provider.token_url, provider.register_url)
    return CheckSettings(
        SoftwareStatement(adobe.software_statement), provider, urls, store, RequestsTransport(), **asked
    )  # type: ignore[arg-type]


def test_a_token_is_asked_for_with_stored_credentials_only(adobe: Simulator) -> None:
    """Without credentials --token registers nothing; with some, a token is granted, and kept nowhere."""
    store = MemoryStore()
    found = named(list(check.findings_of(at(adobe, store, token=True))))
    assert found["token-call"].word is Word.NOT_TRIED
    assert adobe.counts.register == 0
    found = named(list(check.findings_of(at(adobe, store, register=True))))
    assert (found["registration"].word, adobe.counts.register) == (Word.OK, 1)
    before = dict(store._records)
    found = named(list(check.findings_of(at(adobe, store, register=True, token=True))))
    assert (found["token-call"].word, found["registration"].found) == (
        Word.OK,
        "registered already; nothing was sent",
    )
    assert adobe.counts.register == 1
    assert store._records == before


def test_a_refused_client_is_not_replaced(adobe: Simulator) -> None:
    """A check that is told that a client is refused says so, and leaves it where it is; a new one may be known yet."""
    store = MemoryStore()
    list(check.findings_of(at(adobe, store, register=True)))
    before = dict(store._records)
    adobe.inject("token", Fault(status=400, body=b'{"error": "invalid_client"}'), times=None)
    findings = list(check.findings_of(at(adobe, store, register=True, token=True)))
    found = named(findings)["token-call"]
    assert (found.word, check.report_of(findings)["exit_status"]) == (Word.FAILING, 3)
    assert "They are new" in found.found
    assert "dcrauth forget" in found.advice
    assert "do nothing" not in found.advice
    settings = at(adobe, store, register=True, token=True)
    later = list(check.findings_of(replace(settings, wall=lambda: settings.wall() + 601)))
    assert named(later)["token-call"].word is Word.REFUSED
    assert check.report_of(later)["exit_status"] == 1
    assert (store._records, adobe.counts.register) == (before, 1)


class Hidden(MemoryStore):
    """A store in which another process puts a client after the first look."""

    looks = 0

    def get(self, key: str) -> bytes | None:
        self.looks += key.endswith(".credentials")
        return None if self.looks == 1 else super().get(key)


@pytest.mark.slow
def test_a_client_that_comes_meanwhile_is_not_replaced(adobe: Simulator) -> None:
    """--register uses the client that another process has stored meanwhile, also if the server refuses it."""
    store = Hidden()
    settings = at(adobe, store, register=True)
    assert isinstance(settings.provider, AdobePass)
    provider = settings.provider
    key = Identity.of(provider.register_url, provider.token_url, provider.application, "default").credentials
    store.add(key, write_credentials(key, ClientCredentials("another", "pair", 1.0)).data)
    findings = list(check.findings_of(settings))
    assert named(findings)["registration"].word is Word.REFUSED
    assert adobe.counts.register == 0


def test_what_cannot_be_read_is_never_registered_anew(adobe: Simulator) -> None:
    """With a damaged record --register sends nothing: there may be a client."""
    store = MemoryStore()
    settings = at(adobe, store, register=True)
    assert isinstance(settings.provider, AdobePass)
    provider = settings.provider
    damaged(store, Identity.of(provider.register_url, provider.token_url, provider.application, "default").credentials)
    findings = list(check.findings_of(settings))
    assert named(findings)["registration"].word is Word.NOT_TRIED
    assert adobe.counts.register == 0
    assert check.report_of(findings)["exit_status"] == 4


def test_findings_are_shown_as_they_come(adobe: Simulator) -> None:
    """People see each line as soon as it is known; programs get one line in the end, with the same exit status."""
    calls: list[int] = []
    shown: list[str] = []

    def show(lines: Iterable[Line]) -> None:
        for line in lines:
            shown.append(plain(line))
            calls.append(len(adobe.calls))

    assert check.run(at(adobe, MemoryStore()), show) == 0
    assert (calls[0], calls[-1]) == (0, 1)
    assert shown[0] == "Software statement"
    assert any(each.startswith("No fault was found; exit status 0.") for each in shown[-2:])
    written: list[str] = []
    assert check.run(at(adobe, MemoryStore()), show, written.append) == 0
    valid(json.loads(*written), "check")


def test_the_fault_to_mend_first_gives_the_exit_status() -> None:
    """Of several faults, settings come first, then the store, then what is unavailable, then what was refused."""
    order = [Word.NOT_USABLE, Word.NOT_READABLE, Word.NOT_REACHABLE, Word.REFUSED, Word.WARNING]
    found = [Finding("x", word, "") for word in order]
    statuses = [check.report_of(found[number:])["exit_status"] for number in range(len(found))]
    assert statuses == [2, 4, 3, 1, 0]


def test_the_schema_knows_all_checks_and_words() -> None:
    """Whatever the code can find fits the schema, and nothing is in it that no check finds."""
    for name in check_lines.LABELS:
        valid(check.report_of([Finding(name, Word.OK, "")]), "check")
    for word in Word:
        valid(check.report_of([Finding("dns", word, "")]), "check")


@pytest.mark.parametrize("command", ["check", "token", "status", "store check", "store stats"])
@pytest.mark.parametrize("kind", ["", "sqlite:"])
def test_what_is_above_a_store_is_named(command: str, kind: str, client: Run, tmp_path: Path) -> None:
    """Below a file there can be no store: each command names that file, and no permissions of others."""
    (tmp_path / "file").write_text("a file")
    ended = client(*command.split(), "--store", f"{kind}{tmp_path}/file/store/x")
    told = "".join((ended.out + ended.err).split())
    assert ended.status == 4
    assert f"{tmp_path}/fileisnotadirectory" in told
    assert "permissionsofothers" not in told


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="only Linux has a /proc")
@pytest.mark.parametrize(
    "store", [FileStore("/proc/dcrauth"), SQLiteStore("/proc/dcrauth/client.db")], ids=["file", "sqlite"]
)
def test_a_place_that_takes_no_directory_is_told(store: Store) -> None:
    """What cannot be made is named, and not only what was to be done in it."""
    with pytest.raises(StoreUnavailable, match="The store cannot make /proc/dcrauth: No such file or directory"):
        store.healthcheck()
