"""Every block of Python in the README and the docs runs, in order, in a folder with a statement and a store in it."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import dcrauth
from adapters_tests.common.world import STATEMENT
from adapters_tests.engine.test_transfer import filled
from adapters_tests.whole import fault_table, flow_picture, house_picture
from dcrauth import FileStore, errors, events

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]


APART = [ROOT / "docs" / "observability.md"]
"""What sets up logging, tracing and error reports for a whole process, as programs do; see `test_observability`."""


@pytest.mark.parametrize("page", [page for page in PAGES if page not in APART], ids=lambda page: page.name)
def test_the_code_of_a_page_runs(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a reader copies from a page works, from its first block to its last."""
    (tmp_path / "statement.txt").write_text(STATEMENT)
    filled(FileStore(tmp_path / "credentials"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("DCRAUTH_SOFTWARE_STATEMENT", "statement.txt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # examples leave sessions open, as programs do
        for example in Sybil([PythonCodeBlockParser()]).parse(page).examples():
            example.evaluate()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_of_a_page_lead_somewhere(page: Path) -> None:
    """Every relative link of a page is a file of the project."""
    links = re.findall(r"\]\((?!https?:)([^)#]+)", page.read_text())
    assert all((page.parent / link).exists() for link in links)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_several_hosts_have_both_stores(page: Path) -> None:
    """Where a page names a store for several hosts to choose, it names both that there are."""
    parts = re.split(r"\n(?=[-|]|\n)", page.read_text(encoding="utf-8"))
    chosen = [each for each in parts if re.search(r"(several|many) hosts (share|give)|for all \|", each)]
    assert not [each for each in chosen if "RedisStore" in each and "SQLStore" not in each]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_practice_leaves_nothing_behind(page: Path) -> None:
    """Where a page practises on a simulator in the default store, it says how to leave no client there."""
    text = page.read_text(encoding="utf-8")
    made = (
        re.findall(r"(?:DCRAuth|TokenSource)\((?:adobe|server)\b[^\n]*", text) if "Simulator().start()" in text else []
    )
    assert all("store=" in each for each in made) or "`store=MemoryStore()`" in text


def test_the_reference_knows_every_name() -> None:
    """Each public name, and each event, is in the reference."""
    text = (ROOT / "docs" / "reference.md").read_text()
    classes = {name: value for name, value in vars(events).items() if isinstance(value, type)}
    names = {
        *dcrauth.__all__,
        *dcrauth._LATER,
        *(name for name, value in classes.items() if issubclass(value, events.Event)),
    }
    assert not {name for name in names if f"`{name}" not in text and f".{name}`" not in text}


def test_the_page_of_every_name_has_every_name() -> None:
    """Each public class and function, and each error, has its docstring on the page that says so."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    names = {*dcrauth.__all__, *(each.__name__ for each in classes if each.__module__ == errors.__name__)}
    assert not [name for name in sorted(names) if not re.search(rf"\b{name}\b", page)]


def test_the_events_of_the_tutorial_are_as_they_are_printed() -> None:
    """What the tutorial says that a listener prints has the fields that the events have."""
    page = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```text\n(Registered\(.*?)```", page, re.DOTALL)
    identity = "3e5f52c9"
    made = (
        events.Registered(identity),
        events.TokenRenewed(identity, expires_at=1795934892.4, seconds=0.002, attempts=1),
    )
    assert block == "".join(f"{each!r}\n" for each in made)


def test_the_reference_knows_every_error() -> None:
    """Each error and warning that users can meet is in the reference."""
    text = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    classes = [value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)]
    names = {each.__name__ for each in classes if each.__module__ == errors.__name__}
    assert len(names) > 10
    assert not {name for name in names if f"`{name}`" not in text}


def test_the_table_of_faults_is_up_to_date() -> None:
    """The table in docs/reliability.md is what the tests make; if not: python -m adapters_tests.whole.fault_table."""
    text = fault_table.PAGE.read_text(encoding="utf-8")
    assert text == fault_table.page(text)


def test_the_pictures_of_the_house_are_up_to_date() -> None:
    """The pictures of docs/architecture.md are as imports make them: python -m adapters_tests.whole.house_picture."""
    drawn = house_picture.pictures()
    assert {path: path.read_text(encoding="utf-8") for path in drawn} == drawn


def test_what_goes_wrong_elsewhere_has_its_tests() -> None:
    """Each row of the table in docs/oauth-servers.md names a test that there is."""
    page = (ROOT / "docs" / "oauth-servers.md").read_text(encoding="utf-8")
    named = re.findall(r"\| `(test_\w+)` \|$", page, re.MULTILINE)
    there = {
        name
        for path in (ROOT / "adapters_tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", path.read_text())
    }
    assert len(named) >= 18
    assert not set(named) - there


def test_the_picture_of_the_flow_is_up_to_date() -> None:
    """The picture of docs/flow.md is what a renewal does; if not: python -m adapters_tests.whole.flow_picture."""
    assert flow_picture.PICTURE.read_text(encoding="utf-8") == flow_picture.svg()


@pytest.mark.parametrize(
    ("package", "place"),
    [
        (house_picture.PACKAGE, house_picture.room),
        (house_picture.PACKAGE, house_picture.engine_module),
        (house_picture.TESTS, house_picture.room_of_tests),
        (house_picture.TESTS, str),
    ],
)
def test_the_house_has_no_circles(package: Path, place: Callable[[str], str | None]) -> None:
    """No room imports one that imports it, directly or through others: not in the package, and not in the tests."""
    whole = house_picture.graph(place, package)
    assert not [each for each in whole if each in house_picture.reach(whole, each)]
