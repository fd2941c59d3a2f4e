"""The package without any HTTP library; also run where nothing but the package itself is installed."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import dcrauth
from adapters_tests.common.programs import LIBRARIES, run

OTHERS = (
    "niquests",
    "trio",
    "anyio",
    "rich",
    "typer",
    "joserfc",
    "redis",
    "cryptography",
    "keyring",
    "sqlite3",
    "sqlalchemy",
)
EXTRAS = (*LIBRARIES, *OTHERS, "pytest", "opentelemetry")
DEAR = ("importlib.metadata", "tomllib", "asyncio", "concurrent.futures", "filelock", "platformdirs", "platform", "ssl")
"""What takes long to import, and is needed later, if at all."""


def test_a_bare_import_imports_no_client() -> None:
    """Importing dcrauth imports no HTTP client, no framework, nothing of the extras, and nothing that takes long."""
    program = "import sys; before = set(sys.modules); import dcrauth; loaded = set(sys.modules) - before\n"
    found = run(f"{program}print([name for name in {(*EXTRAS, *DEAR)} if name in loaded])")
    assert (found.returncode, found.stdout.strip()) == (0, "[]"), found.stderr


@pytest.mark.fault(
    "the package is in a zipapp, a layer or a folder of vendored code, where nothing tells its version", "it works"
)
def test_it_needs_no_metadata(tmp_path: Path) -> None:
    """From a zip file, with nothing installed beside the standard library, it can be imported and knows its version."""
    archive = tmp_path / "application.zip"
    package = Path(dcrauth.__file__).parent
    with zipfile.ZipFile(archive, "w") as zipped:
        for source in package.rglob("*.py"):
            zipped.write(source, source.relative_to(package.parent))
    code = f"""
import sys
sys.path.insert(0, {str(archive)!r})
import dcrauth
print(dcrauth.__file__.startswith({str(archive)!r}), dcrauth.__version__)
print(dcrauth.AdobePass("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ.c2ln").registration_request().headers["User-Agent"])
"""
    found = subprocess.run([sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    version = dcrauth.__version__
    assert (found.stdout.split(), found.stderr) == (["True", version, f"dcrauth/{version}"], "")


def test_it_works_with_none_of_them() -> None:
    """With no HTTP library at all, there is a token source all the same, on what comes with Python."""
    code = """
from dcrauth import AdobePass, MemoryStore, TokenSource
adobe = AdobePass("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ.c2ln")
print(TokenSource(adobe, store=MemoryStore())._driver.transport)
"""
    found = run(code, *LIBRARIES)
    assert "HttpClientTransport(" in found.stdout, found.stderr


def test_nothing_is_told_on_stderr() -> None:
    """A program that has set up no logging is told nothing of failures in the background, one that has is told all."""
    program = """
import logging, sys
from dcrauth import events
from dcrauth.engine.event_dispatch import log

if len(sys.argv) > 1:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
log(events.StoreProblem("identity", None))
logging.getLogger("other").warning("as usual")
"""
    silent, told = (
        subprocess.run([sys.executable, "-c", program, *more], capture_output=True, text=True, check=False)
        for more in ((), ("log",))
    )
    assert silent.stderr.split("\n")[:-1] == ["as usual"]
    assert told.stderr.split("\n")[:-1] == ["StoreProblem(identity='identity', error=None)", "as usual"]


@pytest.mark.parametrize(
    ("module", "blocked", "extra"),
    [
        *((f"dcrauth.{library}", library, library) for library in (*LIBRARIES, "niquests")),
        ("dcrauth.opentelemetry", "opentelemetry", "opentelemetry"),
        ("dcrauth.stores.redis", "redis", "redis"),
        ("dcrauth.stores.sql", "sqlalchemy", "sql"),
        ("dcrauth.stores.encrypted", "cryptography", "encryption"),
        ("dcrauth.simulator", "joserfc", "simulator"),
        ("dcrauth.cli.demo", "rich", "demo"),
    ],
)
def test_a_missing_extra_is_named(module: str, blocked: str, extra: str) -> None:
    """Importing what needs an extra without it says which one to install."""
    found = run(f"import {module}", blocked)
    assert found.returncode != 0
    assert "ImportError" in found.stderr
    assert f"pip install dcrauth[{extra}]" in found.stderr


def test_the_command_runs_without_its_extra() -> None:
    """Without the extra a command that needs it names it in a sentence, and those that do not need it run."""
    code = "from dcrauth.cli.commands import main; sys.exit(main({}))"
    lacking = run(code.format(["token", "--header"]), "typer")
    assert (lacking.returncode, lacking.stdout) == (2, "")
    assert lacking.stderr == "dcrauth: dcrauth token needs an extra; run: pip install 'dcrauth[cli]'\n"
    running = run(code.format(["import", "/nowhere/export"]), "typer")
    assert (running.returncode, running.stdout) == (2, "")
    assert running.stderr == "dcrauth: /nowhere/export cannot be read: No such file or directory\n"
    assert "pip install 'dcrauth[cli]'" in run(code.format(["--help"]), "typer").stdout


def test_the_command_says_what_it_lacks() -> None:
    """The command ends with a sentence and status 2 where an extra is missing, not with a traceback."""
    found = run("from dcrauth.cli.commands import main; sys.exit(main(['demo']))", "rich")
    assert found.returncode == 2
    assert "pip install dcrauth[demo]" in found.stderr
    assert "Traceback" not in found.stderr
