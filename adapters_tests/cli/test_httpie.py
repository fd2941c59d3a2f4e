"""The plugin for HTTPie: the real ``http``, in a process of its own, against a simulator in another one."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from adapters_tests.cli.running import inherited, simulating
from dcrauth.simulator import OAuthSimulator

ROOT = Path(__file__).parents[2]
CLASS = "httpie.plugins.auth.v1"

pytest.importorskip("httpie", reason="it is in an extra of its own")


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A simulator in a process of its own, which ends by itself; what it says of itself, by name."""
    with simulating(seconds=240) as (said, _):
        yield said


@pytest.fixture
def http(simulator: dict[str, str], tmp_path: Path) -> Any:
    """Runs ``http`` with a profile of the simulator's, as for a package that declares what pyproject.toml does."""
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"][CLASS]
    installed = tmp_path / "installed" / "dcrauth-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: dcrauth\nVersion: 0\n")
    (installed / "entry_points.txt").write_text(f"[{CLASS}]\ndcrauth = {declared['dcrauth']}\n")
    folder = tmp_path / "config" / "dcrauth"
    folder.mkdir(parents=True)
    (folder / "statement.txt").write_text(simulator["software_statement"])
    (folder / "config.toml").write_text(
        "[profiles.practice]\n"
        f'software_statement = "statement.txt"\nstore = "state"\nbase_url = "{simulator["base_url"]}"\n'
    )
    given = inherited()
    given |= {
        "XDG_CONFIG_HOME": str(tmp_path / "config"),
        "XDG_DATA_HOME": str(tmp_path / "data"),
        "HTTPIE_CONFIG_DIR": str(tmp_path / "httpie"),
        "PYTHONPATH": os.pathsep.join([str(tmp_path / "installed"), given["PYTHONPATH"]]),
    }
    (tmp_path / "httpie").mkdir()
    (tmp_path / "httpie" / "config.json").write_text('{"disable_update_warnings": true}')

    def http(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "httpie", "--ignore-stdin", "--check-status", *arguments]
        return subprocess.run(
            command, capture_output=True, text=True, check=False, timeout=50, env=given | variables, cwd=tmp_path
        )

    return http


def calls(simulator: dict[str, str]) -> tuple[int, int]:
    """Return how often a client was registered and a token fetched."""
    counts = requests.get(f"{simulator['base_url']}/control/counts", timeout=20).json()
    return counts["register"], counts["token"]


@pytest.mark.slow
def test_a_token_that_was_revoked_is_renewed(http: Any, simulator: dict[str, str]) -> None:
    """Calls share one client and one token; after the token is revoked a call succeeds, with one token call more."""
    url = f"{simulator['base_url']}/api/v2/REF30/configuration"
    arguments = ("-A", "dcrauth", "-a", "practice", "--print=hb", url)
    for _ in range(2):
        done = http(*arguments)
        assert (done.returncode, done.stderr) == (0, "")
        assert "200 OK" in done.stdout
    assert calls(simulator) == (1, 1)
    requests.post(f"{simulator['base_url']}/control/revoke-tokens", timeout=20).raise_for_status()
    done = http("-A", "dcrauth", "--print=hb", "--session=mine", url, DCRAUTH_PROFILE="practice")
    assert (done.returncode, done.stderr) == (0, "")
    assert "200 OK" in done.stdout
    assert calls(simulator) == (1, 2)


@pytest.mark.slow
def test_another_server_is_signed_for(http: Any, oauth: OAuthSimulator, tmp_path: Path) -> None:
    """With an issuer, a client and an API in the settings, the API of an OAuth server gets its token."""
    oauth.add_client("reports", secret="a secret")
    (tmp_path / "secret.txt").write_text("a secret")
    settings = {"ISSUER": oauth.issuer, "CLIENT_ID": "reports", "CLIENT_SECRET_FILE": "secret.txt"}
    settings |= {"PROTECTS": oauth.api_url, "SCOPE": "read"}
    variables = {f"DCRAUTH_{name}": value for name, value in settings.items()}
    done = http("-A", "dcrauth", "--print=hb", f"{oauth.api_url}/films", **variables)
    assert (done.returncode, done.stderr) == (0, "")
    assert "200 OK" in done.stdout
    assert oauth.counts.token == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "No software statement is named: set DCRAUTH_SOFTWARE_STATEMENT"),
        (("-a", "absent"), "There is no profile 'absent' in "),
        (("--session=mine",), "No software statement is named"),
    ],
    ids=["statement", "profile", "session"],
)
def test_what_is_wrong_is_a_sentence(arguments: tuple[str, ...], told: str, http: Any) -> None:
    """A setting that is missing or wrong is told on stderr, with another status than 0, without a traceback."""
    done = http("-A", "dcrauth", *arguments, "https://sp.auth.adobe.com/api/v2/REF30/configuration")
    assert done.returncode == 1
    assert told in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert done.stdout == ""


@pytest.mark.slow
def test_a_server_that_is_away_is_a_sentence(http: Any) -> None:
    """Where no server answers, that is told, with another status than 0, without a traceback."""
    away = "http://127.0.0.1:1"
    done = http("-A", "dcrauth", "-a", "practice", f"{away}/api/v2/REF30/configuration", DCRAUTH_BASE_URL=away)
    assert done.returncode == 1
    assert "error: ServerUnavailable: http://127.0.0.1:1/o/client/register could not be called" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_it_is_no_burden_to_others(http: Any) -> None:
    """HTTPie lists the plugin, and a call that does not use it imports nothing of the package."""
    assert "dcrauth" in http("--help").stdout
    found = http("--offline", "https://example.test", PYTHONVERBOSE="1")
    assert "import '_dcrauth_httpie'" in found.stderr
    assert "import 'dcrauth" not in found.stderr
