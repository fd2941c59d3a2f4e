"""``dcrauth simulate``: the simulator of Adobe Pass, or of an OAuth server, on its own."""

import os
import signal
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.output import say, write_json
from dcrauth.engine.transfer import told_if_unwritten
from dcrauth.errors import ConfigurationError
from dcrauth.providers.software_statement import SoftwareStatement

if TYPE_CHECKING:
    from dcrauth.simulator import OAuthSimulator, Simulator

_OF_ADOBE = ("url", "software_statement")
_OF_OAUTH = (
    "issuer",
    "token_endpoint",
    "registration_endpoint",
    "api_url",
    "initial_access_token",
    "software_statement",
)
"""What is printed of each simulator: names of its attributes."""


@dataclass(frozen=True)
class Wanted:
    """What the simulator is started with, as `dcrauth.simulator.Simulator` takes it.

    Parameters:
        port: 0 for any that is free.
        seconds: after how many it stops by itself.
        settings: path of a TOML file.
        scenario: path of a TOML file.
        base_path: what all its paths begin with.
        oauth: whether it is an OAuth authorization server, and not Adobe Pass.
        authority: path of the file to write the certificate to that is to be trusted; with it, it speaks HTTPS.
        statement_file: path of the file to write its software statement to.
    """

    port: int = 0
    seconds: float | None = None
    settings: str | None = None
    scenario: str | None = None
    base_path: str | None = None
    authority: str | None = None
    oauth: bool = False
    statement_file: str | None = None


def simulate(wanted: Wanted, *, as_json: bool = False) -> int:
    """Run the simulator until it is told to stop; print what a client needs to know of it."""
    with _ending_at_sigterm(), _simulator(wanted) as simulator:
        if wanted.authority is not None:
            _write_authority(wanted.authority, simulator.authority or b"")
        facts = _facts(simulator, _OF_OAUTH if wanted.oauth else _OF_ADOBE)
        if wanted.statement_file is not None:
            _write_statement(wanted.statement_file, facts["software_statement"])
        _tell(facts, as_json=as_json)
        simulator.wait(wanted.seconds)
    return ExitCode.GOOD


def _write_statement(path: str, text: str) -> None:
    """Write a statement to a file that only its owner can read, in the place of none but one of a simulator's.

    Raises:
        ConfigurationError: something else is there, or it cannot be written.
    """
    if os.path.lexists(path) and _sort_of(Path(path)) != _sort_of(text):
        raise ConfigurationError(
            f"{path} exists already and is no statement of a simulator; it is not overwritten: choose another name"
        )
    with (
        told_if_unwritten(path),
        open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="ascii") as file,
    ):
        file.write(f"{text}\n")


def _write_authority(path: str, certificate: bytes) -> None:
    """Write a certificate to a file.

    Raises:
        ConfigurationError: it cannot be written.
    """
    with told_if_unwritten(path), open(path, "wb") as file:
        file.write(certificate)


def _sort_of(statement: Path | str) -> tuple[object, ...] | None:
    """Return what statements of a simulator have in common, whenever it was started; None if it is no statement."""
    try:
        found = SoftwareStatement.of(statement)
    except ConfigurationError:
        return None
    return found.subject, found.claims.get("software_id")


def _facts(simulator: "Simulator | OAuthSimulator", names: Iterable[str]) -> dict[str, str]:
    """Return what a client needs to know of *simulator*, and where its page is."""
    facts = {"base_url" if name == "url" else name: str(getattr(simulator, name)) for name in names}
    return {**facts, "page": f"{simulator.url}/"}


def _tell(facts: dict[str, str], *, as_json: bool) -> None:
    if as_json:
        write_json(facts)
        return
    width = max(map(len, facts))
    for name, value in facts.items():
        say(f"{name:<{width}}  {value}")


def _simulator(wanted: Wanted) -> "Simulator | OAuthSimulator":
    from dcrauth.simulator import OAuthSimulator, Scenario, Simulator  # noqa: PLC0415  # needs an extra that other commands do not

    if wanted.authority is not None:
        _check_authority(Path(wanted.authority))
    named = {"port": wanted.port, "base_path": wanted.base_path, "tls": wanted.authority is not None}
    given: dict[str, object] = {name: value for name, value in named.items() if value}
    if wanted.scenario is not None:
        given["scenario"] = Scenario.from_toml(wanted.scenario)
    kind: type[Simulator | OAuthSimulator] = OAuthSimulator if wanted.oauth else Simulator
    make = kind if wanted.settings is None else kind.from_toml
    return make(*filter(None, [wanted.settings]), **given)  # type: ignore[arg-type]  # each is what its name says


def _check_authority(path: Path) -> None:
    """Raise ConfigurationError if there is a file at *path* that is not the certificate of an earlier simulator."""
    from dcrauth.simulator.tls import is_authority  # noqa: PLC0415  # needs an extra that other commands do not

    try:
        content = path.read_bytes() if path.is_file() else b""
    except OSError as reason:
        raise ConfigurationError(f"{path} cannot be read: {reason.strerror}; choose another place") from None
    if content and not is_authority(content):
        raise ConfigurationError(
            f"{path} exists already and is no certificate of a simulator; it is not overwritten: choose another name"
        )


@contextmanager
def _ending_at_sigterm() -> Iterator[None]:
    """Have SIGTERM end the command as Ctrl-C does, with 143."""

    def end(*_: object) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():  # signals are told to that one alone
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
