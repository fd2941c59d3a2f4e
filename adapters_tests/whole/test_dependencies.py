"""What the project says of its dependencies: each has a reason, and each lowest version that is declared is tested."""

from __future__ import annotations

import configparser
import re
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).parents[2]
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS: dict[str, list[str]] = PROJECT["project"]["optional-dependencies"]
OURS = "dcrauth"


def needed(lines: Iterable[Any]) -> set[Requirement]:
    """The packages of others among *lines*, which may name groups as well."""
    found = {Requirement(line) for line in lines if isinstance(line, str)}
    return {each for each in found if each.name != OURS}


RUNTIME = needed([*PROJECT["project"]["dependencies"], *(line for lines in EXTRAS.values() for line in lines)])
TOOLS = needed(line for lines in PROJECT["dependency-groups"].values() for line in lines)


def floor(requirement: Requirement) -> Version:
    """The lowest version that *requirement* takes."""
    (only,) = requirement.specifier
    assert only.operator == ">="
    return Version(only.version)


def test_every_dependency_has_a_floor() -> None:
    """Nothing is taken in any version whatever, and nothing is held back by an upper bound."""
    assert all(floor(each) for each in RUNTIME)


def test_each_lowest_version_is_tested() -> None:
    """What pyproject.toml declares is what the two environments of lowest versions install."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    lines = tox["testenv:lowest"]["deps"] + tox["testenv:niquests{,-lowest}"]["deps"].replace("lowest:", "")
    pinned = dict(line.split("==") for line in lines.split())
    declared = {each.name: floor(each) for each in RUNTIME if each.name != "pytest"}  # with which others run
    assert {name: Version(version) for name, version in pinned.items()} == declared


def test_every_dependency_has_a_reason() -> None:
    """docs/dependencies.md has a row for each package, with the lowest version of what users install."""
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `([^`]+)` \| ([\d.]+) \|", page, re.MULTILINE))
    assert {name: Version(version) for name, version in rows.items()} == {each.name: floor(each) for each in RUNTIME}
    named = set(re.findall(r"`([^`]+)`", page))
    assert not {each.name for each in TOOLS | needed(PROJECT["build-system"]["requires"])} - named


@pytest.mark.parametrize("extra", sorted(EXTRAS))
def test_every_extra_is_explained(extra: str) -> None:
    """What an extra installs is told where extras are listed."""
    page = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    own = needed(EXTRAS[extra])
    assert not own or f"`{extra}`" in page


def test_all_environments_are_in_ci() -> None:
    """Each environment that tox knows, but for the benchmarks, is run by .ci/run."""
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(ROOT / "tox.ini", encoding="utf-8")
    listed = tox["tox"]["env_list"].split(", ")
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert f"-e {','.join(listed)}" in script
    named = {name.removeprefix("testenv:") for name in tox.sections() if name.startswith("testenv:")}
    assert {name.partition("{")[0] for name in named} - {"bench"} <= set(listed)
