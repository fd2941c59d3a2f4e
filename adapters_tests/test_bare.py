"""The package without any HTTP library; also run where nothing but the package itself is installed."""

from __future__ import annotations

import subprocess
import sys

import pytest

LIBRARIES = ("requests", "httpx", "httpx2", "aiohttp")
BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def run(code: str, *blocked: str) -> subprocess.CompletedProcess[str]:
    """Run *code* in a Python of its own in which the *blocked* modules are not to be had."""
    program = BLOCK.format(names=blocked) + code
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)


def test_a_bare_import_imports_no_client() -> None:
    """Importing dcrauth imports no HTTP client, no asynchronous framework and nothing of the extras."""
    watched = (*LIBRARIES, "trio", "anyio", "rich", "joserfc", "redis", "cryptography", "keyring", "sqlite3", "pytest")
    # Some versions of filelock import sqlite3, which is no doing of ours.
    program = "import filelock, sys; before = set(sys.modules); import dcrauth; loaded = set(sys.modules) - before\n"
    found = run(f"{program}print([name for name in {watched} if name in loaded])")
    assert (found.returncode, found.stdout.strip()) == (0, "[]"), found.stderr


def test_it_works_with_none_of_them() -> None:
    """With no HTTP library at all, everything but a transport is there, and its lack is told with the remedy."""
    code = """
from dcrauth import AdobePass, ConfigurationError, MemoryStore, TokenSource
adobe = AdobePass("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhcHAifQ.c2ln")
try:
    TokenSource(adobe, store=MemoryStore())
except ConfigurationError as error:
    print(error)
"""
    found = run(code, *LIBRARIES)
    assert "pip install dcrauth[requests]" in found.stdout, found.stderr


@pytest.mark.parametrize(
    ("module", "blocked", "extra"),
    [
        *((f"dcrauth.{library}", library, library) for library in LIBRARIES),
        ("dcrauth.stores.redis", "redis", "redis"),
        ("dcrauth.stores.encrypted", "cryptography", "encryption"),
        ("dcrauth.simulator", "joserfc", "simulator"),
        ("dcrauth.demo", "rich", "demo"),
    ],
)
def test_a_missing_extra_is_named(module: str, blocked: str, extra: str) -> None:
    """Importing what needs an extra without it says which one to install."""
    found = run(f"import {module}", blocked)
    assert found.returncode != 0
    assert "ImportError" in found.stderr
    assert f"pip install dcrauth[{extra}]" in found.stderr


def test_the_command_says_what_it_lacks() -> None:
    """The command ends with a sentence and status 2 where an extra is missing, not with a traceback."""
    found = run("from dcrauth.cli import main; sys.exit(main(['demo']))", "rich")
    assert found.returncode == 2
    assert "pip install dcrauth[demo]" in found.stderr
    assert "Traceback" not in found.stderr
