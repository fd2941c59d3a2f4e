"""The pytest plugin of dcrauth: simulators, a clock to put forward, and a default store that is not the user's.

pytest loads it in every run of every project where dcrauth is installed, whether that has to do with us or not. So it
stands beside the package, imports pytest and the standard library only, and does nothing until a fixture is asked for
or ``dcrauth_isolated = true`` stands in pytest's settings.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import pytest

try:
    import fcntl
except ImportError:  # Windows, where nobody can delete a file that another process has open
    fcntl = None  # type: ignore[assignment]  # a module, on all other systems

if TYPE_CHECKING:
    from dcrauth import TokenSource
    from dcrauth.simulator import OAuthSimulator, Simulator
    from dcrauth.testing import ManualClock

_SETTING = _FIXTURE = "dcrauth_isolated"
_VARIABLES = ("DCRAUTH_DATA_DIRECTORY", "DCRAUTH_STORE")
"""What says where the default store of this process and of its children is, whoever made the provider."""
_PREFIX, _LOCK = "dcrauth-pytest-", "lock"


class _Isolation:
    """The folders that the default store has in one run of pytest; none is made before the first test that needs one.

    Parameters:
        always: whether every test gets one, or only those that use a fixture of ours.
    """

    def __init__(self, *, always: bool) -> None:
        self.always = always
        self._root: Path | None = None
        self._lock: IO[bytes] | None = None
        self._count = 0
        self._folder: Path | None = None

    @contextmanager
    def new_folder(self) -> Iterator[Path]:
        """Have the default store use a folder of its own meanwhile."""
        if self._root is None:
            _tidy()
            self._root = Path(tempfile.mkdtemp(prefix=_PREFIX))
            self._lock = _locked(self._root)
        before, variables = self._folder, {name: os.environ.get(name) for name in _VARIABLES}
        self._count += 1
        self._folder = self._root / str(self._count)
        _set(dict.fromkeys(_VARIABLES, str(self._folder)))
        try:
            yield self._folder
        finally:
            self._folder = before
            _set(variables)

    @contextmanager
    def folder(self) -> Iterator[Path]:
        """Have the default store use the folder of the present test meanwhile."""
        if self._folder is None:
            with self.new_folder() as folder:
                yield folder
        else:
            yield self._folder

    def remove(self) -> None:
        """Remove all that was kept in the folders."""
        if self._lock is not None:
            self._lock.close()
        if self._root is not None:
            shutil.rmtree(self._root, ignore_errors=True)


def _locked(folder: Path) -> IO[bytes]:
    """Lock a file in *folder* for as long as this process lives, however it ends."""
    file = (folder / "new").open("xb")
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_SH)
        os.rename(folder / "new", folder / _LOCK)  # so that nobody finds it before it is locked
    return file


def _tidy() -> None:
    """Remove what runs of this user that were killed have left; what cannot be looked at is another user's."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):
            if _is_dead(folder):
                shutil.rmtree(folder)


def _is_dead(folder: Path) -> bool:
    """Whether the run that has made this folder is over."""
    if fcntl is None:
        (folder / "new").unlink()  # which fails while it is open
        return True
    with open(os.open(folder / _LOCK, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        if os.fstat(file.fileno()).st_uid != os.getuid():
            return False
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # which fails while it is locked
        return True


def _set(variables: Mapping[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


_isolation: pytest.StashKey[_Isolation] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting."""
    parser.addini(_SETTING, "keep the default store of dcrauth away from the user's for the whole run", type="bool")


def pytest_configure(config: pytest.Config) -> None:
    """Isolate the whole run, collection and all, if the settings say so."""
    try:
        always = bool(config.getini(_SETTING))
    except (TypeError, ValueError, pytest.UsageError):  # which of them depends on pytest's version
        raise pytest.UsageError(f"{_SETTING} in pytest's settings must be true or false") from None
    isolation = config.stash[_isolation] = _Isolation(always=always)
    ending = ExitStack()
    ending.callback(isolation.remove)
    if always:
        ending.enter_context(isolation.new_folder())
    config.add_cleanup(ending.close)


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Isolate a test that uses a fixture of ours, from the set-up of its first fixture on."""
    isolation = item.config.stash[_isolation]
    if isolation.always or _FIXTURE in getattr(item, "fixturenames", ()):
        with isolation.new_folder():
            yield
    else:
        yield


@pytest.fixture
def dcrauth_isolated(request: pytest.FixtureRequest) -> Iterator[Path]:
    """Keep the default store of dcrauth, also in child processes, in a folder of this test's own, which is the value.

    All other fixtures of dcrauth use it; ``dcrauth_isolated = true`` in pytest's settings uses it for every test.
    """
    with request.config.stash[_isolation].folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def _dcrauth_clock() -> ManualClock:
    clock: ManualClock = _testing().ManualClock()
    return clock


@pytest.fixture(scope="session")
def _dcrauth_simulator(_dcrauth_clock: ManualClock) -> Iterator[Simulator]:
    with _testing("simulator").running(_dcrauth_clock) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def _dcrauth_oauth_server(_dcrauth_clock: ManualClock) -> Iterator[OAuthSimulator]:
    with _testing("simulator").running_oauth(_dcrauth_clock) as simulator:
        yield simulator


@pytest.fixture
def dcrauth_clock(dcrauth_isolated: Path, _dcrauth_clock: ManualClock) -> Iterator[ManualClock]:
    """Put time forward: for the token sources that are made after this fixture, and for the simulators."""
    with _dcrauth_clock.in_use():
        yield _dcrauth_clock


@pytest.fixture
def adobe_pass(dcrauth_isolated: Path, _dcrauth_simulator: Simulator) -> Simulator:
    """Adobe Pass on loopback, as new in each test: a `dcrauth.simulator.Simulator` that runs."""
    _testing("simulator").reset(_dcrauth_simulator)
    return _dcrauth_simulator


@pytest.fixture
def oauth_server(dcrauth_isolated: Path, _dcrauth_oauth_server: OAuthSimulator) -> OAuthSimulator:
    """An authorization server and its API on loopback, as new in each test: a `dcrauth.simulator.OAuthSimulator`."""
    _testing("simulator").reset_oauth(_dcrauth_oauth_server)
    return _dcrauth_oauth_server


@pytest.fixture
def adobe_pass_statement(adobe_pass: Simulator) -> str:
    """Return a software statement that ``adobe_pass`` accepts."""
    return adobe_pass.software_statement


@pytest.fixture
def dcrauth_source(adobe_pass: Simulator, dcrauth_clock: ManualClock) -> TokenSource:
    """Return a token source of ``adobe_pass`` with an empty store, to attach with ``DCRAuth(dcrauth_source)``."""
    source: TokenSource = _testing("simulator").source(adobe_pass)
    return source


def _testing(part: str = "") -> Any:
    """Import what the fixtures are made of; what is missing for that is said in one sentence."""
    import importlib

    try:
        return importlib.import_module(f"dcrauth.testing._{part}" if part else "dcrauth.testing")
    except ImportError as missing:
        name = missing.name or getattr(missing.__cause__, "name", None) or "more than dcrauth itself"
    pytest.fail(f"The fixtures of dcrauth need {name}; run: pip install dcrauth[testing]", pytrace=False)
