"""The plugin from the built wheel, in environments of its own: with nothing else, and beside other plugins.

The oldest supported versions are those that are installed here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from adapters_tests.testing.pasted import first_example

ROOT = Path(__file__).parents[2]
OLDEST = ("pytest==8.4.0", "pytest-asyncio==0.24.0", "httpx==0.28.1", "aiohttp==3.12.15")
NEWEST = ("pytest-asyncio", "httpx", "aiohttp", "anyio", "trio", "pytest-xdist", "pytest-cov", "pytest-socket")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
once = pytest.mark.skipif(sys.version_info[:2] != (3, 12), reason="other plugins of pytest are tried on one Python")


def _run(*command: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST", "XDG"))}
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env=inherited | environment, timeout=240, check=False
    )


def _pip(*arguments: str) -> None:
    done = _run(sys.executable, "-m", "pip", *arguments, "--quiet", "--disable-pip-version-check")
    assert done.returncode == 0, done.stderr


@dataclass
class Environment:
    """An environment and a folder of tests in it.

    Parameters:
        folder: where the tests and the user's home are.
        python: its interpreter.
        settings: what its tests have in their pytest.ini.
    """

    folder: Path
    python: Path
    settings: str = ""

    def run(self, code: str, *arguments: str, passed: int, ini: str = "") -> str:
        """Run tests as a user does; see that so many pass and that the user's own data stay away; return the output."""
        self.folder.mkdir(exist_ok=True)
        home = self.folder / "home"
        home.mkdir(exist_ok=True)
        (self.folder / "pytest.ini").write_text(f"[pytest]\n{self.settings}\n{ini}")
        (self.folder / "test_application.py").write_text(code)
        command = [str(self.python), "-m", "pytest", "-W", "error", "-p", "no:cacheprovider", *arguments]
        done = _run(*command, cwd=self.folder, HOME=str(home))
        assert (done.returncode, f" {passed} passed" in done.stdout) == (0, True), done.stdout + done.stderr
        assert not list(home.rglob("*dcrauth*"))
        return done.stdout


Make = Callable[..., Environment]


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """Make an environment with the wheel, its extras and what else is said; the wheel is built once."""
    folder = tmp_path_factory.mktemp("wheel")
    _pip("wheel", "--no-deps", "--wheel-dir", str(folder), str(ROOT))
    (wheel,) = folder.glob("dcrauth-*.whl")

    def made(extras: str, *others: str) -> Environment:
        place = tmp_path_factory.mktemp("environment")
        venv.create(place / "env", with_pip=False)
        python = place / "env" / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
        _pip("--python", str(python), "install", f"{wheel}{extras}", *others)
        settings = "asyncio_default_fixture_loop_scope = function" if "asyncio" in "".join(others) else ""
        return Environment(place / "tests", python, settings)

    return made


@pytest.fixture(scope="module")
def bare(make: Make) -> Environment:
    """The wheel without extras, and pytest."""
    return make("", "pytest")


@pytest.fixture(scope="module")
def with_extra(make: Make) -> Environment:
    """The extra for testing, and nothing else."""
    return make("[testing]")


@pytest.fixture(scope="module")
def with_oldest(make: Make) -> Environment:
    """The oldest of what is supported."""
    return make("[testing]", *OLDEST)


@pytest.fixture(scope="module")
def with_newest(make: Make) -> Environment:
    """The newest of what people use with pytest."""
    return make("[testing]", *NEWEST)


UNRELATED = """
import os, sys, threading

def test_nothing_of_ours_is_here():
    ours = [name for name in sys.modules if "dcrauth" in name]
    assert ours == ["_dcrauth_pytest"]
    assert not [name for name in os.environ if "DCRAUTH" in name]
    assert threading.active_count() == 1
"""


def test_a_suite_of_others_notices_nothing(bare: Environment) -> None:
    """Where dcrauth is installed without its extras, pytest loads one module of ours, which imports no other."""
    bare.run(UNRELATED, passed=1)
    assert "dcrauth" not in bare.run(UNRELATED, "--setup-show", passed=1).partition("collected")[2]
    bare.run("def test_it():\n    import _dcrauth_pytest", "-p", "no:dcrauth", passed=1)


def test_a_missing_extra_is_one_sentence(bare: Environment) -> None:
    """A fixture that needs what is not installed says what to install."""
    (bare.folder / "test_more.py").write_text("def test_it(adobe_pass): ...")
    done = _run(str(bare.python), "-m", "pytest", "test_more.py", cwd=bare.folder)
    assert "The fixtures of dcrauth need cryptography; run: pip install dcrauth[testing]" in done.stdout


def test_a_pasted_example_passes(with_extra: Environment) -> None:
    """The example of the documentation needs the extra for testing and nothing else."""
    with_extra.run(first_example(), passed=3)


def test_the_default_store_is_not_the_users(with_extra: Environment) -> None:
    """A test that names no store, and a process that it starts, keep away from the user's data."""
    code = """
import subprocess, sys, requests
from dcrauth import AdobePass
from dcrauth.requests import DCRAuth

CHILD = '''
import sys
from dcrauth import AdobePass, TokenSource
print(bool(TokenSource(AdobePass(sys.argv[1], base_url=sys.argv[2])).token().value))
'''

def test_it(adobe_pass, adobe_pass_statement):
    with requests.Session() as session:
        session.auth = DCRAuth(AdobePass(adobe_pass_statement, base_url=adobe_pass.url))
        session.get(f"{adobe_pass.url}/api/v2/REF30/configuration")
    arguments = [sys.executable, "-c", CHILD, adobe_pass_statement, adobe_pass.url]
    assert subprocess.check_output(arguments, text=True).strip() == "True"
    assert (adobe_pass.counts.register, adobe_pass.counts.token) == (1, 1)
"""
    with_extra.run(code, passed=1)


LOOPS = """
import aiohttp, httpx, pytest
import dcrauth.aiohttp, dcrauth.httpx, dcrauth.requests
import requests

HEADERS = {"AP-Device-Identifier": "fingerprint ZGV2aWNl"}

async def of_httpx(adobe, source):
    async with httpx.AsyncClient(auth=dcrauth.httpx.DCRAuth(source)) as client:
        answer = await client.get(f"{adobe.url}/api/v2/REF30/configuration", headers=HEADERS)
        return answer.status_code

async def of_aiohttp(adobe, source):
    async with aiohttp.ClientSession(middlewares=[dcrauth.aiohttp.DCRAuth(source)]) as client:
        async with client.get(f"{adobe.url}/api/v2/REF30/configuration", headers=HEADERS) as answer:
            return answer.status

both = pytest.mark.parametrize("get", [of_httpx, of_aiohttp])

async def check(get, adobe, source, clock):
    assert await get(adobe, source) == 200
    clock.advance(7 * 3600)
    assert await get(adobe, source) == 200
    assert (adobe.counts.register, adobe.counts.token, adobe.counts.refused) == (1, 2, 0)

@both
@pytest.mark.asyncio
async def test_function(get, adobe_pass, dcrauth_source, dcrauth_clock):
    await check(get, adobe_pass, dcrauth_source, dcrauth_clock)

@both
@pytest.mark.asyncio(loop_scope="module")
async def test_module(get, adobe_pass, dcrauth_source, dcrauth_clock):
    await check(get, adobe_pass, dcrauth_source, dcrauth_clock)

@both
@pytest.mark.asyncio(loop_scope="session")
async def test_session(get, adobe_pass, dcrauth_source, dcrauth_clock):
    await check(get, adobe_pass, dcrauth_source, dcrauth_clock)

def test_plain(adobe_pass, dcrauth_source):
    with requests.Session() as session:
        session.auth = dcrauth.requests.DCRAuth(dcrauth_source)
        assert session.get(f"{adobe_pass.url}/api/v2/REF30/configuration", headers=HEADERS).ok
"""
ANYIO = """
@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
async def test_anyio(anyio_backend, adobe_pass, dcrauth_source, dcrauth_clock):
    await check(of_httpx, adobe_pass, dcrauth_source, dcrauth_clock)
"""
PLAIN_ASYNC = """
async def test_unmarked(adobe_pass, dcrauth_source, dcrauth_clock):
    await check(of_aiohttp, adobe_pass, dcrauth_source, dcrauth_clock)
"""


@once
@pytest.mark.parametrize("versions", ["with_oldest", "with_newest"])
def test_every_loop_is_served(versions: str, request: pytest.FixtureRequest) -> None:
    """Loops of functions, modules and sessions, trio and plain tests in one run: pytest-asyncio strict and auto."""
    environment: Environment = request.getfixturevalue(versions)
    environment.run(LOOPS + ANYIO * (versions == "with_newest"), passed=7 + 2 * (versions == "with_newest"))
    environment.run(LOOPS + PLAIN_ASYNC, passed=8, ini="asyncio_mode = auto")


@once
def test_each_worker_has_a_simulator(with_newest: Environment) -> None:
    """With xdist there is one simulator, and one folder for the default store, for each worker."""
    code = """
import os, pytest

@pytest.mark.parametrize("_", range(8))
def test_it(adobe_pass, dcrauth_source, dcrauth_isolated, worker_id, _):
    dcrauth_source.token()
    assert adobe_pass.counts.token == 1
    with open("seen.txt", "a") as file:
        print(worker_id, adobe_pass.url, dcrauth_isolated.parent, file=file)
"""
    with_newest.run(code, "-n", "2", passed=8)
    seen = {tuple(line.split()) for line in (with_newest.folder / "seen.txt").read_text().splitlines()}
    for column in zip(*seen, strict=True):
        assert len(set(column)) == 2


@once
def test_coverage_counts_what_is_imported(with_newest: Environment) -> None:
    """The lines of dcrauth that run when it is imported are seen by pytest-cov: the plugin imports none of them."""
    code = "def test_it():\n    import dcrauth\n"
    with_newest.run(code, "--cov=dcrauth", "--cov-report=json", passed=1)
    files = json.loads((with_newest.folder / "coverage.json").read_text())["files"]
    (measured,) = [measured for name, measured in files.items() if name.endswith("dcrauth/errors.py")]
    assert measured["summary"]["covered_lines"] > 30


@once
def test_sockets_may_be_forbidden(with_newest: Environment) -> None:
    """With pytest-socket `FakeAuth` works, and the simulator once loopback is allowed."""
    code = """
import httpx
from dcrauth.testing import FakeAuth

def test_fake():
    api = httpx.MockTransport(lambda request: httpx.Response(200))
    with httpx.Client(auth=FakeAuth(), transport=api) as client:
        assert client.get("https://api.example/").status_code == 200
"""
    with_newest.run(code, "--disable-socket", passed=1)
    more = "\ndef test_simulator(adobe_pass, dcrauth_source):\n    assert dcrauth_source.token()\n"
    with_newest.run(code + more, "--allow-hosts=127.0.0.1", passed=2)
