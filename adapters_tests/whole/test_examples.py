"""The programs of docs/examples: what they do against the simulator, by the pytest plugin alone.

Their suites run in a pytest of their own, as an application's do, with this plugin and no other.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

import dcrauth
import dcrauth.aiohttp
import dcrauth.httpx  # what a pytest within this one imports first is forgotten with it
from dcrauth.simulator import Simulator

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs" / "examples"
PROGRAMS = sorted(EXAMPLES.glob("entitlements_*.py"))
SOURCE = str(Path(dcrauth.__file__).parents[1])
Suite = Callable[..., pytest.RunResult]


def headers_of_calls() -> list[tuple[str, str, bool]]:
    """Return what the tutorial's table says: the path of a call, a header, and whether the call needs it."""
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (heading,) = re.findall(r"^\| call \|.*", text, re.MULTILINE)
    names = re.findall(r"`([\w-]+)`", heading)
    found = []
    for path, cells in re.findall(r"^\| `(?:GET|POST) (?!/)([^`]+)` \|(.*) \|$", text, re.MULTILINE):
        said = [each.strip() for each in cells.split("|")]
        pattern = re.sub(r"{\w+}", "[^/]+", path)
        found += [(pattern, name, cell != "optional") for name, cell in zip(names, said, strict=True) if cell]
    return found


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Suite:
    """Run suites beside the programs with this plugin and no other, and see how many tests pass."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makeini("[pytest]")
    for each in [*EXAMPLES.glob("*.py"), ROOT / "adapters_tests" / "whole" / "examples_suite.py"]:
        shutil.copy(each, pytester.path)
    (pytester.path / "cases.json").write_text(json.dumps(headers_of_calls()), encoding="utf-8")

    def run(*arguments: str, passed: int) -> pytest.RunResult:
        result = pytester.runpytest_inprocess("-p", "_dcrauth_pytest", "-W", "error", *arguments)
        result.assert_outcomes(passed=passed)
        return result

    return run


def test_the_table_of_headers_is_read() -> None:
    """The tutorial has a table of which call needs which header, and nothing of it is lost here."""
    cases = headers_of_calls()
    needed = [(path, header) for path, header, is_needed in cases if is_needed]
    assert (len(cases), len(needed)) == (18, 16)
    assert ("configuration", "AP-Device-Identifier", False) in cases
    assert ("profiles/code/[^/]+", "Authorization", True) in cases


def test_the_test_of_the_examples_passes(suite: Suite) -> None:
    """What is to be copied passes as it is, on both libraries."""
    suite("test_entitlements.py", passed=4)


@pytest.mark.slow
def test_the_examples_keep_their_promises(suite: Suite) -> None:
    """Each program goes the whole way, and fails as the service has it where a header is left out."""
    suite("examples_suite.py", passed=2 * (8 + len(headers_of_calls())))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_is_short(program: Path) -> None:
    """A program is about a hundred lines of code."""
    lines = program.read_text(encoding="utf-8").splitlines()
    assert 80 < len([each for each in lines if each.strip()]) < 120


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start programs, each as a newcomer does; none outlives the test."""
    environment = {**os.environ, "PYTHONPATH": SOURCE, "PYTHONUNBUFFERED": "1"}
    started: list[subprocess.Popen[str]] = []

    def starting(program: Path, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, str(program), *arguments]
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True, cwd=tmp_path, env=environment))
        return started[-1]

    yield starting
    for each in started:
        each.kill()
        each.communicate()


def log_in(running: subprocess.Popen[str]) -> None:
    """Log in on the page that a program prints, in something like a browser."""
    assert running.stdout is not None
    page = next(line.split()[-1] for line in running.stdout if line.startswith("Log in: "))
    with httpx.Client(follow_redirects=True) as browser:
        assert browser.post(browser.get(page).url, data={"user": "alice"}).url.path == "/"


@pytest.mark.slow
def test_a_newcomer_sees_an_answer(start: Callable[..., subprocess.Popen[str]], tmp_path: Path) -> None:
    """Started with nothing at all, a program prints a page to log in on, then the answer, and leaves nothing behind."""
    running = [start(program) for program in PROGRAMS]
    for each in running:
        log_in(each)
    for each in running:
        shown, complaints = each.communicate(timeout=50)
        assert (each.returncode, complaints) == (0, "")
        assert "news: may be watched" in shown
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_newcomer_is_told_what_is_wrong(program: Path, start: Callable[..., subprocess.Popen[str]]) -> None:
    """Too few arguments, or no statement, end a program with words, not with a traceback."""
    alone = start(program, "https://sp.auth.adobe.com")
    lost = start(program, "https://sp.auth.adobe.com", "missing.txt")
    assert "URL STATEMENT_FILE" in alone.communicate(timeout=50)[1]
    assert "missing.txt" in (complaint := lost.communicate(timeout=50)[1])
    assert (len(complaint.splitlines()), alone.returncode, lost.returncode) == (1, 1, 1)


@pytest.mark.slow
def test_the_load_test(adobe: Simulator, tmp_path: Path) -> None:
    """However many users of locust there are, one client is registered and one token fetched."""
    (tmp_path / "statement.txt").write_text(adobe.software_statement)
    settings = {
        "SOFTWARE_STATEMENT": "statement.txt",
        "ADOBE_URL": adobe.url,
        "PYTHONPATH": SOURCE,
        "XDG_DATA_HOME": str(tmp_path / "data"),
    }
    run = [*(sys.executable, "-m", "locust", "-f", EXAMPLES / "locustfile.py", "--headless", "--only-summary")]
    run += ["--users", "20", "--spawn-rate", "20", "--run-time", "2s", "--host", adobe.url]
    found = subprocess.run(
        run, cwd=tmp_path, env=os.environ | settings, capture_output=True, text=True, timeout=60, check=False
    )
    assert found.returncode == 0, found.stderr
    assert adobe.counts.api > 20
    assert (adobe.counts.register, adobe.counts.token) == (1, 1)
