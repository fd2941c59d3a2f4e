"""The package as it is built: the same bytes each time, with all that belongs in it and nothing else."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

pytest.importorskip("build", reason="what builds the package is in an environment of its own: tox run -e package")

ROOT = Path(__file__).parents[2]
SHIPPED = ("src", "adapters_tests", "docs")


def copy_of_the_project(folder: Path, mode: int = 0o644) -> Path:
    """Copy what is built from to *folder*, with other times, and permissions of *mode*."""
    folder.mkdir(parents=True)
    for each in SHIPPED:
        shutil.copytree(
            ROOT / each, folder / each, ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copy
        )
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy(path, folder)
    for number, path in enumerate(each for each in sorted(folder.rglob("*")) if each.is_file()):
        path.chmod(mode)
        os.utime(path, (mode * 1_000_000 + number,) * 2)
    return folder


def built(folder: Path, target: Path) -> dict[str, bytes]:
    """Build the sdist of *folder*, and from that the wheel; return both by their names."""
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(target), str(folder)]
    environment = os.environ | {"SOURCE_DATE_EPOCH": "1700000000"}
    subprocess.run(command, check=True, capture_output=True, text=True, timeout=300, env=environment)
    return {path.name: path.read_bytes() for path in target.iterdir()}


@pytest.fixture(scope="module")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel."""
    folder = tmp_path_factory.mktemp("distributions")
    built(copy_of_the_project(tmp_path_factory.mktemp("first") / "dcrauth"), folder)
    return folder


@pytest.fixture(scope="module")
def wheel(distributions: Path) -> zipfile.ZipFile:
    """The wheel."""
    (path,) = distributions.glob("*.whl")
    return zipfile.ZipFile(path)


@pytest.fixture(scope="module")
def sdist(distributions: Path) -> tarfile.TarFile:
    """The sdist."""
    (path,) = distributions.glob("*.tar.gz")
    return tarfile.open(path)


def test_two_builds_are_the_same_bytes(distributions: Path, tmp_path: Path) -> None:
    """Another folder, other times of files and other permissions make the same sdist and the same wheel."""
    first = {path.name: path.read_bytes() for path in distributions.iterdir()}
    second = built(copy_of_the_project(tmp_path / "elsewhere" / "under-another-name", 0o600), tmp_path / "again")
    assert len(first) == 2
    assert {name: second.get(name) == content for name, content in first.items()} == dict.fromkeys(first, True)


def test_the_wheel_has_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Every file of the package is in the wheel, with the marker of its types; no test and no document is."""
    names = {name for name in wheel.namelist() if ".dist-info/" not in name}
    source = ROOT / "src"
    files = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert names == files
    assert "dcrauth/py.typed" in names


def test_the_licence_is_in_both(wheel: zipfile.ZipFile, sdist: tarfile.TarFile) -> None:
    """Whoever has the wheel or the sdist has the licence, as it stands in the project."""
    licence = (ROOT / "LICENSE").read_bytes()
    (name,) = (name for name in wheel.namelist() if name.endswith("licenses/LICENSE"))
    assert wheel.read(name) == licence
    (member,) = (each for each in sdist.getmembers() if each.name.count("/") == 1 and each.name.endswith("/LICENSE"))
    file = sdist.extractfile(member)
    assert file is not None
    assert file.read() == licence


def test_the_sdist_can_be_tested(sdist: tarfile.TarFile) -> None:
    """The sdist has the tests, the documentation and what describes the project."""
    names = {name.partition("/")[2] for name in sdist.getnames()}
    for name in (
        "SECURITY.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "README.md",
        "tox.ini",
        "pyproject.toml",
        "docs/index.md",
    ):
        assert name in names
    assert "adapters_tests/whole/test_build.py" in names
    assert not [name for name in names if name.startswith((".git/", ".tox", "dist/"))]


def test_the_metadata_say_what_it_is(wheel: zipfile.ZipFile) -> None:
    """Name, licence, extras, commands and the plugin are in the metadata, and each Python that is tested."""
    (name,) = (name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    said = Parser().parsestr(wheel.read(name).decode())
    assert (said["Name"], said["License-Expression"], said["License-File"]) == ("dcrauth", "MIT", "LICENSE")
    assert said["Requires-Python"] == ">=3.11"
    assert "niquests" in str(said["Keywords"])
    assert {"requests", "httpx", "httpx2", "aiohttp", "niquests"} <= set(said.get_all("Provides-Extra") or [])
    tested = {each.rpartition(" ")[2] for each in said.get_all("Classifier") or [] if "Python :: 3." in each}
    assert tested == {"3.11", "3.12", "3.13"}
    entries = wheel.read(name.replace("METADATA", "entry_points.txt")).decode()
    assert "dcrauth = dcrauth.cli.commands:main" in entries
    assert "dcrauth = _dcrauth_pytest" in entries
    assert "dcrauth = _dcrauth_httpie:DCRAuthPlugin" in entries


@pytest.mark.parametrize("check", [("twine", "check", "--strict"), ("check_wheel_contents",)], ids=lambda each: each[0])
def test_the_checkers_have_nothing_to_say(check: tuple[str, ...], distributions: Path) -> None:
    """What package indexes and their readers look at is in order."""
    pattern = "*" if check[0] == "twine" else "*.whl"
    command = [sys.executable, "-m", *check, *map(str, sorted(distributions.glob(pattern)))]
    found = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert found.returncode == 0, found.stdout + found.stderr
