"""``dcrauth simulate``: the simulator of Adobe Pass on its own."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.output import say, write_json

if TYPE_CHECKING:
    from dcrauth.simulator import Simulator


@dataclass(frozen=True)
class Wanted:
    """What the simulator is started with, as `dcrauth.simulator.Simulator` takes it.

    Parameters:
        port: 0 for any that is free.
        seconds: after how many it stops by itself.
        settings: path of a TOML file.
        scenario: path of a TOML file.
        base_path: what all its paths begin with.
        authority: path of the file to write the certificate to that is to be trusted; with it, it speaks HTTPS.
    """

    port: int = 0
    seconds: float | None = None
    settings: str | None = None
    scenario: str | None = None
    base_path: str | None = None
    authority: str | None = None


def simulate(wanted: Wanted, *, as_json: bool = False) -> int:
    """Run the simulator until it is told to stop; print what a client needs to know of it."""
    with _ending_at_sigterm(), _simulator(wanted) as adobe:
        if wanted.authority is not None:
            with open(wanted.authority, "wb") as file:
                file.write(adobe.authority or b"")
        facts = {"base_url": adobe.url, "software_statement": adobe.software_statement, "page": f"{adobe.url}/"}
        if as_json:
            write_json(facts)
        else:
            for name, value in facts.items():
                say(f"{name:<18}  {value}")
        adobe.wait(wanted.seconds)
    return ExitCode.GOOD


def _simulator(wanted: Wanted) -> "Simulator":
    from dcrauth.simulator import Scenario, Simulator  # noqa: PLC0415  # needs an extra that other commands do not

    named = {"port": wanted.port, "base_path": wanted.base_path, "tls": wanted.authority is not None}
    given: dict[str, object] = {name: value for name, value in named.items() if value}
    if wanted.scenario is not None:
        given["scenario"] = Scenario.from_toml(wanted.scenario)
    make = Simulator if wanted.settings is None else Simulator.from_toml
    return make(*filter(None, [wanted.settings]), **given)  # type: ignore[arg-type]  # each is what its name says


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
