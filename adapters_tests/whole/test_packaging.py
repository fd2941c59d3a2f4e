"""What is promised by name: exports, version, types."""

from __future__ import annotations

import importlib
import tomllib
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

import pytest

import dcrauth
import dcrauth.simulator
from adapters_tests.common.programs import LIBRARIES


@pytest.mark.parametrize("name", ["DCRAuth", "FakeAuth", "OAuthSimulator", "Simulator"])
def test_what_is_elsewhere_is_told(name: str) -> None:
    """Who imports from the package what stands in a module of it reads which module that is."""
    with pytest.raises(ImportError, match=rf"{name} is not in dcrauth; import it from .*dcrauth\.[a-z]+"):
        __import__("dcrauth", fromlist=[name])


def test_every_exported_name_is_there_and_sorted() -> None:
    """__all__ names what is there, once and in order."""
    assert list(dcrauth.__all__) == sorted(set(dcrauth.__all__))
    assert all(hasattr(dcrauth, name) for name in dcrauth.__all__)


def test_nothing_public_is_forgotten() -> None:
    """Every class of the package that its namespace holds is exported."""
    public = {name for name, value in vars(dcrauth).items() if isinstance(value, type)}
    assert public <= set(dcrauth.__all__)


@pytest.mark.parametrize("library", LIBRARIES)
def test_each_adapter_exports_one_name(library: str) -> None:
    """Every adapter module exports DCRAuth, and only that."""
    assert importlib.import_module(f"dcrauth.{library}").__all__ == ["DCRAuth"]


def test_the_version_is_the_packages() -> None:
    """The version is that of the installed distribution, and is sent as part of the user agent."""
    from dcrauth.providers.answer_fields import USER_AGENT

    assert version("dcrauth") == dcrauth.__version__
    assert f"dcrauth/{dcrauth.__version__}" == USER_AGENT


def test_the_version_stands_once() -> None:
    """The version is written in one file of the package, from which the build and everything else has it."""
    package = Path(dcrauth.__file__).parent
    naming = [each.name for each in package.rglob("*.py") if dcrauth.__version__ in each.read_text(encoding="utf-8")]
    assert naming == ["version.py"]
    project = Path(__file__).parents[2] / "pyproject.toml"
    assert "version" in tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dynamic"]


def test_the_package_is_typed() -> None:
    """py.typed is installed, so that type checkers read the annotations."""
    assert files("dcrauth").joinpath("py.typed").is_file()


@pytest.mark.parametrize("door", ["adobe", "device", "source", "transfer"])
def test_modules_that_have_moved_are_found_where_they_were(door: str) -> None:
    """What the documentation has named once can be imported from there, and is the same thing."""
    module = importlib.import_module(f"dcrauth.{door}")
    assert module.__all__
    for name in module.__all__:
        found = getattr(module, name)
        assert getattr(dcrauth, name, found) is found
