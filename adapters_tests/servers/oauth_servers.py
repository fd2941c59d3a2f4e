"""Authorization servers that nobody here wrote, and what tests need to know of each.

    with running("nanoidp", cache) as server:
        ...

Each runs in a process of its own on loopback, which ends with the block, with this process, or after five minutes.
They are in the dependency group ``servers``, which tox installs for the environment of that name alone; oidc-provider
comes from npm, into *cache*.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import httpx

HERE = Path(__file__).parent
START = 60.0
"""Seconds that a server may take to start."""
OIDC_PROVIDER = "9.13.3"
PLAIN = frozenset({"client_secret_basic", "client_secret_post"})
ALL = frozenset({"read", "update", "delete"})


class Missing(Exception):
    """A server cannot be had here."""


@dataclass(frozen=True, kw_only=True)
class Traits:
    """What is known of a server.

    Parameters:
        module: what has to be installed; empty for what comes from npm.
        metadata: what a registration has to say beside ``grant_types``.
        methods: methods of client authentication that a client can register, and use.
        management: what there is of RFC 7592.
        rotates_token: whether an update brings a new registration access token.
        rotates_secret: whether an update brings a new secret.
        tells_secret: whether answers of management have the secret.
        initial_token: whether a registration needs an initial access token: "no", "yes", or "once", a new one each.
        reads_statements: whether a software statement is verified.
        scopes: two scopes that there are.
        is_discovered: whether a document is where RFC 8414 or OpenID Discovery says, and not elsewhere alone.
    """

    module: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    methods: frozenset[str] = PLAIN
    management: frozenset[str] = ALL
    rotates_token: bool = False
    rotates_secret: bool = False
    tells_secret: bool = True
    initial_token: str = "no"
    reads_statements: bool = False
    scopes: tuple[str, str] = ("read", "write")
    is_discovered: bool = True


SERVERS: Mapping[str, Traits] = {
    "authlib": Traits(module="authlib", initial_token="yes", reads_statements=True),
    "canaille": Traits(
        module="canaille",
        methods=frozenset({"client_secret_basic"}),  # for client_credentials, whatever its document says
        management=frozenset(),  # it answers 500, since Authlib's endpoint asks its token what that does not know
        initial_token="once",
        reads_statements=True,
        scopes=("profile", "email"),
    ),
    "django-oauth-toolkit": Traits(
        module="oauth2_provider",
        rotates_token=True,
        tells_secret=False,
        is_discovered=False,  # below a prefix, RFC 8414's document is appended to it
    ),
    "nanoidp": Traits(
        module="nanoidp",
        metadata={"redirect_uris": ["http://127.0.0.1/unused"]},
        management=frozenset({"read", "delete"}),
    ),
    "oidc-provider": Traits(
        metadata={"redirect_uris": [], "response_types": []},
        methods=PLAIN | {"client_secret_jwt", "private_key_jwt"},
        rotates_token=True,
        rotates_secret=True,
        initial_token="yes",
    ),
}


@dataclass(frozen=True)
class RunningServer:
    """A running server.

    Parameters:
        name: which of `SERVERS` it is.
        traits: what is known of it.
        issuer: what its documents name.
    """

    name: str
    traits: Traits
    issuer: str

    @property
    def url(self) -> str:
        """Its origin."""
        return str(httpx.URL(self.issuer).copy_with(path=""))

    @cached_property
    def metadata(self) -> dict[str, Any]:
        """Its document, from where it has one."""
        inserted, appended = _places(self.issuer)
        found = [answer for place in (*inserted, *appended) if (answer := _get(place)).is_success]
        assert found, f"{self.name} has no metadata document"
        document: dict[str, Any] = found[0].json()
        assert document["issuer"] == self.issuer
        return document

    @property
    def registration_endpoint(self) -> str:
        """URL of the registration endpoint."""
        return str(self.metadata["registration_endpoint"])

    @property
    def token_endpoint(self) -> str:
        """URL of the token endpoint."""
        return str(self.metadata["token_endpoint"])

    @property
    def api_url(self) -> str:
        """A protected API: a good token is answered with its ``client_id`` and ``scope``, others with 401."""
        return f"{self.url}/test/api"

    def initial_access_token(self) -> str | None:
        """Return a token to register with; None where none is needed."""
        return None if self.traits.initial_token == "no" else self._order("initial-token")

    def software_statement(self, client_name: str) -> str:
        """Return a statement of that name; only servers that read statements have one."""
        return self._order("software-statement", client_name)

    def revoke_token(self, token: str) -> None:
        """Have a token refused from now on."""
        self._order("revoke-token", token)

    def delete_client(self, client_id: str) -> None:
        """Forget a client, as a server does that was set up anew."""
        self._order("delete-client", client_id)

    def _order(self, order: str, text: str = "") -> str:
        answer = httpx.post(f"{self.url}/test/{order}", content=text, timeout=20, trust_env=False)
        assert answer.is_success, (self.name, order, answer.status_code, answer.text)
        return answer.text


def _places(issuer: str) -> tuple[list[str], list[str]]:
    """Return where a document has to be (RFC 8414 §3.1, OpenID Discovery §4), and where servers have it instead."""
    url = httpx.URL(issuer)
    path = url.path.rstrip("/")
    oauth, openid = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
    right, other = (f"{oauth}{path}", f"{path}{openid}"), (f"{path}{oauth}",)
    return [str(url.copy_with(path=each)) for each in right], [str(url.copy_with(path=each)) for each in other]


def _get(url: str) -> httpx.Response:
    return httpx.get(url, timeout=20, trust_env=False)


def is_discovered(server: RunningServer) -> bool:
    """Whether a document of *server* is where it has to be."""
    return any(_get(place).is_success for place in _places(server.issuer)[0])


def _check_there(name: str) -> None:
    module = SERVERS[name].module
    if module and find_spec(module) is None:
        raise Missing(f"{module} is not installed: it is in the dependency group servers")
    if not module and not (shutil.which("node") and shutil.which("npm")):
        raise Missing(f"{name} needs Node and npm")


@contextmanager
def running(name: str, cache: Path) -> Iterator[RunningServer]:
    """Run a server for as long as the block lasts.

    Parameters:
        name: which of `SERVERS`.
        cache: folder that stays from run to run, for what comes from npm.

    Raises:
        Missing: it is not installed, or cannot be.
    """
    _check_there(name)
    process = subprocess.Popen(_command(name, cache), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        yield RunningServer(name, SERVERS[name], _facts(process, name)["issuer"])
    finally:
        _end(process)


def _command(name: str, cache: Path) -> list[str]:
    if SERVERS[name].module:
        return [sys.executable, "-m", f"adapters_tests.servers.programs.run_{name.replace('-', '_')}"]
    return ["node", "--no-warnings", str(HERE / "programs/run_oidc_provider.mjs"), str(_from_npm(cache))]


def _from_npm(cache: Path) -> Path:
    """Return a folder with oidc-provider in its node_modules."""
    folder = cache / f"oidc-provider-{OIDC_PROVIDER}"
    if (folder / "node_modules" / "oidc-provider" / "package.json").exists():
        return folder
    folder.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", f"oidc-provider@{OIDC_PROVIDER}"]
    done = subprocess.run(command, cwd=folder, check=False, capture_output=True, timeout=120)
    if done.returncode:
        raise Missing(f"npm has no oidc-provider {OIDC_PROVIDER} for us: {done.stderr.decode().partition(chr(10))[0]}")
    return folder


def _facts(process: subprocess.Popen[bytes], name: str) -> Any:
    """Return what the program tells on its first line; it is ended if it takes too long for that."""
    too_late = threading.Timer(START, process.kill)
    too_late.start()
    try:
        line = process.stdout.readline() if process.stdout is not None else b""
    finally:
        too_late.cancel()
    assert line, f"{name} has not started within {START:g} s; see what it says on stderr"
    return json.loads(line)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Have the program end by itself, and if need be not by itself."""
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(10)
