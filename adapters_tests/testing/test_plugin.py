"""The pytest plugin: what its fixtures do in the tests of an application, and that it leaves all others alone.

Each suite is one of an application's, run by a pytest of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import dcrauth
from adapters_tests.testing.pasted import examples

SOURCE = str(Path(dcrauth.__file__).parents[1])
Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Run a suite with this plugin and no other, and see how many tests pass."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTHONPATH", SOURCE)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)  # pytester has set HOME
    pytester.makeini("[pytest]")

    def run(code: str, *arguments: str, passed: int, setting: str = "") -> pytest.RunResult:
        pytester.makeini(f"[pytest]\n{setting}")
        pytester.makepyfile(test_application=code)
        result = pytester.runpytest_inprocess("-p", "_dcrauth_pytest", "-W", "error", *arguments)
        result.assert_outcomes(passed=passed)
        return result

    return run


def default_store(home: Path) -> Path:
    """Return where the default store keeps things for the user of that home."""
    code = "from dcrauth import FileStore; print(FileStore()._directory)"
    environment = {**os.environ, "HOME": str(home)}
    for name in ("DCRAUTH_DATA_DIRECTORY", "XDG_DATA_HOME"):
        environment.pop(name, None)
    return Path(subprocess.check_output([sys.executable, "-c", code], text=True, env=environment).strip())


APPLICATION = """
import requests
from dcrauth import AdobePass, DeviceInfo
from dcrauth.requests import DCRAuth

DEVICE = DeviceInfo(
    primary_hardware_type="SetTopBox", model="M", version="1", os_name="Linux", os_version="1", connection_type="WiFi"
)
HEADERS = {"AP-Device-Identifier": "fingerprint ZGV2aWNl"}

def session_of(adobe_pass, **settings):
    session = requests.Session()
    provider = AdobePass(adobe_pass.software_statement, base_url=adobe_pass.url, device_info=DEVICE)
    session.auth = DCRAuth(provider, **settings)
    return session

def get(session, adobe_pass):
    return session.get(f"{adobe_pass.url}/api/v2/REF30/configuration", headers=HEADERS)
"""


def test_a_test_of_one_line(suite: Suite, pytester: pytest.Pytester) -> None:
    """With the two fixtures an application is called as in production; the user's own store is not touched."""
    suite(
        APPLICATION
        + """
def test_configuration(adobe_pass):
    assert get(session_of(adobe_pass), adobe_pass).ok

def test_statement(adobe_pass, adobe_pass_statement):
    assert adobe_pass_statement == adobe_pass.software_statement
""",
        passed=2,
    )
    assert not default_store(Path.home()).exists()
    assert "DCRAUTH_DATA_DIRECTORY" not in os.environ


def test_the_examples_of_the_documentation_pass(suite: Suite) -> None:
    """What is pasted from the page on testing is a suite that passes."""
    suite(examples(), passed=8)


@pytest.mark.slow
def test_each_test_begins_anew(suite: Suite) -> None:
    """Whatever a test has done to the one simulator of a run and to its default store, the next one finds them new."""
    suite(
        APPLICATION
        + """
import pytest
from dcrauth import Rejected
from dcrauth.engine.incident_breaker import breaker_of
from dcrauth.simulator import Behaviour, Fault

seen = set()

@pytest.mark.parametrize("_", range(3))
def test_it_is_new(adobe_pass, _):
    seen.add((id(adobe_pass), adobe_pass.url))
    assert len(seen) == 1
    assert get(session_of(adobe_pass), adobe_pass).ok
    assert (adobe_pass.counts.register, adobe_pass.counts.token, adobe_pass.counts.api) == (1, 1, 1)
    assert len(adobe_pass.calls) == 3
    adobe_pass.behaviour = Behaviour(refuse_every_token=True)
    adobe_pass.inject("token", Fault(status=500), times=None)
    adobe_pass.revoke_statement()
    with pytest.raises(Rejected):
        get(session_of(adobe_pass, instance="another"), adobe_pass)

@pytest.mark.parametrize("_", range(2))
def test_what_this_process_has_heard_is_forgotten(adobe_pass, _):
    breaker = breaker_of(f"{adobe_pass.url}/o/client/token")
    assert breaker.report("another identity", 1.0, refused=True) == (1, 1)
""",
        passed=5,
    )


@pytest.mark.parametrize("fixture", ["adobe_pass", "oauth_server"])
def test_one_that_a_test_has_stopped_runs_again(suite: Suite, fixture: str) -> None:
    """A test that plays a server that is away need not see to it that the next test has one."""
    suite(
        f"""
import pytest, requests

@pytest.mark.parametrize("_", range(2))
def test_it_runs({fixture}, _):
    assert requests.get({fixture}.url).ok
    {fixture}.stop()
""",
        passed=2,
    )


def test_the_clock_moves_expiry(suite: Suite) -> None:
    """Once the clock is put forward, a client that was made as in production renews before it is refused."""
    suite(
        APPLICATION
        + """
import datetime

def test_expiry(dcrauth_clock, adobe_pass):
    session = session_of(adobe_pass)
    get(session, adobe_pass)
    dcrauth_clock.advance(datetime.timedelta(hours=7))
    assert get(session, adobe_pass).ok
    assert (adobe_pass.counts.token, adobe_pass.counts.refused) == (2, 0)

def test_a_client_of_the_machines_clock(adobe_pass, dcrauth_source):
    session = session_of(adobe_pass)
    get(session, adobe_pass)
    assert adobe_pass.counts.token == 1

def test_refused(adobe_pass, request):
    session = session_of(adobe_pass)
    get(session, adobe_pass)
    request.getfixturevalue("dcrauth_clock").advance(7 * 3600)
    assert get(session, adobe_pass).ok
    assert (adobe_pass.counts.token, adobe_pass.counts.refused) == (2, 1)

def test_it_goes_back(dcrauth_clock):
    import time
    assert abs(dcrauth_clock.wall() - time.time()) < 60
""",
        passed=4,
    )


@pytest.mark.slow
def test_the_source_is_one_of_the_simulators(suite: Suite) -> None:
    """The token source works in every adapter, goes by the clock, and leaves nothing behind."""
    suite(
        APPLICATION
        + """
import asyncio
import httpx
import dcrauth.httpx

def test_source(dcrauth_clock, dcrauth_source, adobe_pass):
    session = requests.Session()
    session.auth = DCRAuth(dcrauth_source)
    assert get(session, adobe_pass).ok
    dcrauth_clock.advance(7 * 3600)

    async def main():
        async with httpx.AsyncClient(auth=dcrauth.httpx.DCRAuth(dcrauth_source)) as client:
            return await client.get(f"{adobe_pass.url}/api/v2/REF30/configuration", headers=HEADERS)

    assert asyncio.run(main()).is_success
    assert (adobe_pass.counts.register, adobe_pass.counts.token, adobe_pass.counts.refused) == (1, 2, 0)

def test_another(dcrauth_source, adobe_pass):
    dcrauth_source.token()
    assert (adobe_pass.counts.register, adobe_pass.counts.token) == (1, 1)
""",
        passed=2,
    )


def test_an_oauth_server_for_each_test(suite: Suite) -> None:
    """The authorization server of a run is as new in each test, at one URL, and goes by the clock of the fixtures."""
    suite(
        """
import pytest, requests

seen = set()

@pytest.mark.parametrize("_", range(2))
def test_it_is_new(oauth_server, dcrauth_clock, _):
    seen.add((id(oauth_server), oauth_server.url))
    assert (len(seen), oauth_server.clients, oauth_server.counts.token) == (1, (), 0)
    client = oauth_server.add_client("me", secret="mine")
    form = {"grant_type": "client_credentials"}
    token = requests.post(oauth_server.token_endpoint, form, auth=("me", "mine")).json()["access_token"]
    headers = {"Authorization": f"Bearer {token}"}
    assert requests.get(oauth_server.api_url, headers=headers).json()["client_id"] == "me"
    dcrauth_clock.advance(3600)
    assert requests.get(oauth_server.api_url, headers=headers).status_code == 401
""",
        passed=2,
    )


ISOLATED = """
import os, subprocess, sys, unittest
from pathlib import Path
import pytest
from dcrauth import FileStore

HOME = os.path.realpath(os.path.expanduser("~"))

def kept():
    "Write to the default store; return where that is."
    store = FileStore()
    store.add("key", b"value")
    assert not store._directory.startswith(HOME)
    return store._directory
"""


@pytest.mark.slow
def test_isolation_begins_before_any_fixture(suite: Suite, pytester: pytest.Pytester) -> None:
    """What a test's other fixtures put into the default store is isolated as well, in whatever order they come."""
    suite(
        ISOLATED
        + """
@pytest.fixture(scope="module")
def of_module():
    return kept()

@pytest.fixture
def application():
    return kept()

def test_order(of_module, application, dcrauth_isolated):
    assert of_module == application == os.path.realpath(dcrauth_isolated)

@pytest.mark.usefixtures("dcrauth_isolated")
class TestCase(unittest.TestCase):
    folders = set()

    def setUp(self):
        self.folders.add(kept())

    def test_one(self):
        program = "from dcrauth import FileStore; print(FileStore().get('key'))"
        assert subprocess.check_output([sys.executable, "-c", program]).strip() == b"b'value'"

    def test_two(self):
        assert len(self.folders) == 2

def test_late(request):
    assert "DCRAUTH_DATA_DIRECTORY" not in os.environ
    folder = request.getfixturevalue("dcrauth_isolated")
    assert kept() == os.path.realpath(folder)

def test_not_isolated():
    assert "DCRAUTH_DATA_DIRECTORY" not in os.environ
    assert FileStore()._directory.startswith(HOME)
""",
        passed=5,
    )
    assert not default_store(Path.home()).exists()


def test_the_setting_isolates_the_whole_run(suite: Suite, pytester: pytest.Pytester) -> None:
    """With the setting, collection, doctests, unittest classes and children are isolated, each test by itself."""
    suite(
        ISOLATED
        + """
COLLECTED = kept()
seen = {COLLECTED}

def doctested():
    '''
    >>> seen.add(kept())
    '''

def test_plain():
    seen.add(kept())

class TestCase(unittest.TestCase):
    def test_it(self):
        seen.add(kept())

def test_all(dcrauth_isolated):
    seen.add(kept())
    assert len(seen) == 5
    Path("root.txt").write_text(os.path.dirname(COLLECTED))
""",
        "--doctest-modules",
        passed=4,
        setting="dcrauth_isolated = true",
    )
    assert not Path(Path("root.txt").read_text()).exists()
    assert not default_store(Path.home()).exists()


KILLED = """
import time
from pathlib import Path

def test_it(dcrauth_isolated):
    dcrauth_isolated.mkdir()
    (dcrauth_isolated / "kept").touch()
    Path("{name}.txt").write_text(str(dcrauth_isolated.parent))
    time.sleep(60)
"""


@pytest.mark.slow
def test_what_a_killed_run_leaves_is_removed_by_the_next(
    suite: Suite, pytester: pytest.Pytester, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Folders of runs that are over go, however they ended; those of runs that live, and what is not ours, stay."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    foreign = tmp_path / "dcrauth-pytest-of-somebody"
    foreign.mkdir()
    with _sleeping(pytester, "dead") as dead, _sleeping(pytester, "alive") as alive:
        left, kept = ((pytester.path / f"{name}.txt").read_text() for name in ("dead", "alive"))
        dead.kill()
        dead.wait(20)
        assert (Path(left) / "1" / "kept").exists()
        suite("def test_it(dcrauth_isolated): ...", passed=1)
        assert [each for each in (left, kept, str(foreign)) if Path(each).exists()] == [kept, str(foreign)]
        suite("def test_it(): ...", passed=1)
        alive.kill()
        alive.wait(20)
        suite("def test_it(): ...", passed=1)
        assert Path(kept).exists()  # a run without our fixtures looks for nothing


@contextmanager
def _sleeping(pytester: pytest.Pytester, name: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose only test has begun and does not end by itself."""
    path = pytester.path / f"sleeping_{name}.py"
    path.write_text(KILLED.replace("{name}", name))
    command = [sys.executable, "-m", "pytest", "-p", "_dcrauth_pytest", "-p", "no:cacheprovider", str(path)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, cwd=pytester.path) as process:
        try:
            written = path.with_name(f"{name}.txt")
            while not written.exists() or not written.read_text():
                assert process.poll() is None
                time.sleep(0.02)
            yield process
        finally:
            process.kill()


def test_a_store_that_the_developer_has_set_is_left_alone(
    suite: Suite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A provider from the environment is isolated too: DCRAUTH_STORE leads to the test's folder meanwhile."""
    monkeypatch.setenv("DCRAUTH_STORE", str(tmp_path / "precious"))
    monkeypatch.setenv("DCRAUTH_SOFTWARE_STATEMENT", "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ.c2ln")
    suite(
        """
from dcrauth import AdobePass, FileStore, TokenSource

def test_isolated(dcrauth_isolated):
    source = TokenSource(AdobePass.from_environment())
    assert source._driver.store.place == FileStore(dcrauth_isolated).place

def test_not_isolated():
    assert TokenSource(AdobePass.from_environment())._driver.store.place[1].endswith("precious")
""",
        passed=2,
    )


def test_a_suite_of_others_is_left_alone(suite: Suite, pytester: pytest.Pytester, tmp_path: Path) -> None:
    """Tests that use nothing of ours get no variable, no folder, no thread and no module of ours."""
    code = """
import os, pytest, sys, tempfile, threading

@pytest.mark.parametrize("_", range(200))
def test_it(_):
    assert "DCRAUTH_DATA_DIRECTORY" not in os.environ
    assert not [name for name in os.listdir(tempfile.gettempdir()) if "dcrauth" in name]
    assert threading.active_count() == 1
"""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TMPDIR", str(temporary))
        pytester.makepyfile(test_application=code)
        alone = pytester.runpytest_subprocess("-p", "_dcrauth_pytest", "-W", "error")  # this process has other threads
        alone.assert_outcomes(passed=200)
        planned = pytester.runpytest_inprocess("-p", "_dcrauth_pytest", "--setup-plan")
    assert "dcrauth" not in planned.stdout.str().lower().replace("_dcrauth_pytest", "")
    assert not list(temporary.iterdir())


def test_a_setting_that_is_neither_true_nor_false(suite: Suite, pytester: pytest.Pytester) -> None:
    """A wrong setting ends the run with a sentence that names it."""
    pytester.makeini("[pytest]\ndcrauth_isolated = perhaps")
    result = pytester.runpytest_inprocess("-p", "_dcrauth_pytest")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "dcrauth_isolated in pytest's settings must be true or false" in result.stderr.str()


@pytest.mark.slow
def test_a_missing_extra_is_named(pytester: pytest.Pytester) -> None:
    """A fixture that needs what is not installed says in one sentence what to install."""
    pytester.makeconftest("import sys\nsys.modules['joserfc'] = None")
    pytester.makepyfile("def test_it(adobe_pass): ...")
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": SOURCE}
    command = [sys.executable, "-m", "pytest", "-p", "_dcrauth_pytest"]
    result = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    assert "The fixtures of dcrauth need joserfc; run: pip install dcrauth[testing]" in result.stdout
    assert "Traceback" not in result.stdout
    assert "1 error" in result.stdout
