"""``dcrauth demo``: the life of a client, step by step, with every HTTP library, and what each step cost."""

import errno
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

try:
    from rich.console import Console
    from rich.table import Table

    from dcrauth.cli.demo_clients import CLIENTS, THREADS, UNANSWERED
    from dcrauth.simulator import Behaviour, Counts, Simulator
except ImportError as missing:
    raise ImportError(f"dcrauth demo needs {missing.name}; run: pip install dcrauth[demo]") from missing

from dcrauth import events
from dcrauth.cli.output import is_coloured, output
from dcrauth.cli.settings import store_at
from dcrauth.engine.clock import Clock
from dcrauth.engine.source import TokenSource
from dcrauth.errors import ConfigurationError, DCRAuthError, ServerUnavailable
from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.adobe.device_info import DeviceInfo
from dcrauth.providers.adobe.environments import Environment
from dcrauth.stores import Store
from dcrauth.stores.file import FileStore

HOUR = 3600.0


@dataclass(frozen=True)
class Cost:
    """What a step costs: registrations, token calls, API calls, 401 answers among them, good answers."""

    register: int
    token: int
    api: int
    refused: int
    good: int


@dataclass(frozen=True)
class Outcome:
    """One step of one client: what was expected, and what was counted."""

    client: str
    step: str
    expected: Cost
    counted: Cost
    seconds: float

    @property
    def fits(self) -> bool:
        """Whether the step cost what it should."""
        return self.expected == self.counted


class Hours:
    """A clock that can be put forward, for the simulator and the library alike."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self.clock = Clock(wall=lambda: time.time() + self._ahead, monotonic=lambda: time.monotonic() + self._ahead)

    def pass_(self, hours: float) -> None:
        """Let so many hours pass."""
        self._ahead += hours * HOUR


class Stage:
    """One client on stage: it plays its steps, and each is counted.

    Parameters:
        name: the client's name.
        adobe: the simulator.
        hours: the clock that both go by.
        folder: where the client's store is.
    """

    def __init__(self, name: str, adobe: Simulator, hours: Hours, folder: Path) -> None:
        self._name, self._adobe, self._hours = name, adobe, hours
        self._get, self._crowd = CLIENTS[name]
        self._store = FileStore(folder / name)
        self._provider = AdobePass(adobe.software_statement, base_url=adobe.url, device_info=DeviceInfo.detect())
        self._url = f"{adobe.url}/api/v2/REF30/configuration"
        self._source = self._start("alone")

    def _start(self, instance: str) -> TokenSource:
        """Return what a process has when it has just started: nothing but the store."""
        return TokenSource(self._provider, store=self._store, instance=instance, clock=self._hours.clock)

    def play(self) -> Iterator[Outcome]:
        """Play all steps."""
        yield self._step("first call", Cost(1, 1, 1, 0, 1))
        yield self._step("second call", Cost(0, 0, 1, 0, 1))
        self._hours.pass_(7)
        yield self._step("token expired", Cost(0, 1, 1, 0, 1))
        self._hours.pass_(1)
        self._adobe.revoke_tokens()
        yield self._step("token revoked", Cost(0, 1, 2, 1, 1))
        self._source = self._start("alone")
        yield self._step("process restarted", Cost(0, 0, 1, 0, 1))
        self._source = self._start("crowd")
        kind = "threads" if self._crowd == THREADS else "tasks"
        yield self._step(f"{self._crowd} {kind} at once, cold", Cost(1, 1, self._crowd, 0, self._crowd), self._crowd)

    def _step(self, step: str, expected: Cost, times: int = 1) -> Outcome:
        self._adobe.reset_counts()
        start = time.perf_counter()
        statuses = self._get(self._source, self._url, times)
        seconds = time.perf_counter() - start
        return Outcome(self._name, step, expected, _cost(self._adobe.counts, statuses), seconds)


def _cost(counts: Counts, statuses: list[int]) -> Cost:
    return Cost(counts.register, counts.token, counts.api, counts.refused, statuses.count(200))


def demo(
    software_statement: str | None, environment: Environment | None, service_provider: str | None, store: str | None
) -> int:
    """Show the life of a client: all of it against the simulator, or the safe part with a statement.

    Raises:
        ConfigurationError: there is what goes along with a statement only, or that is missing.
        DCRAuthError: the statement, the store or the service is to blame.
    """
    if software_statement is None:
        if environment or service_provider or store:
            raise ConfigurationError(
                "--environment, --service-provider and --store go along with --software-statement only"
            )
        return against_simulator()
    if service_provider is None:
        raise ConfigurationError("--service-provider is needed along with --software-statement")
    kept = None if store is None else store_at(store)
    return against_service(software_statement, environment or "release-production", service_provider, kept)


def against_simulator() -> int:
    """Play the life of a client with every library against the simulator; return 0 if each step cost what it should."""
    console, hours = _Console(), Hours()
    outcomes: list[Outcome] = []
    console.show("The simulator of Adobe Pass answers on loopback; each client starts with an empty store.\n")
    behaviour = Behaviour(register_delay=0.1, token_delay=0.1)
    with Simulator(behaviour, clock=hours.clock.wall) as adobe, tempfile.TemporaryDirectory() as folder:
        for name in CLIENTS:
            console.show(f"[bold]{name}[/bold]")
            for outcome in Stage(name, adobe, hours, Path(folder)).play():
                console.show(_told(outcome))
                outcomes.append(outcome)
    console.show(_table(outcomes))
    failed = [outcome for outcome in outcomes if not outcome.fits]
    console.show(
        "[red]Some steps did not cost what they should.[/red]" if failed else "[green]All as it should be.[/green]"
    )
    return 1 if failed else 0


def _told(outcome: Outcome) -> str:
    mark = "[green]ok[/green]" if outcome.fits else "[red]!![/red]"
    counted = outcome.counted
    calls = [
        f"{counted.register} registration" * bool(counted.register),
        f"{counted.token} token call" * bool(counted.token),
        f"{counted.refused} refusal (401)" * bool(counted.refused),
        f"{counted.good} good answer" + "s" * (counted.good != 1),
    ]
    return f"  {mark} {outcome.step:<30} {outcome.seconds * 1000:6.0f} ms   " + ", ".join(filter(None, calls))


def _table(outcomes: list[Outcome]) -> Table:
    table = Table(title="Calls that the server counted", caption="as counted, and as expected where that differs")
    for heading in ("client", "step"):
        table.add_column(heading)
    for heading in ("register", "token", "API", "401", "good"):
        table.add_column(heading, justify="right")
    for number, outcome in enumerate(outcomes):
        pairs = zip(vars(outcome.counted).values(), vars(outcome.expected).values(), strict=True)
        cells = [str(found) if found == wanted else f"[red]{found} != {wanted}[/red]" for found, wanted in pairs]
        last = number + 1 == len(outcomes) or outcomes[number + 1].client != outcome.client
        table.add_row(outcome.client, outcome.step, *cells, end_section=last)
    return table


def against_service(statement: str, environment: Environment, service_provider: str, store: Store | None) -> int:
    """Play the safe part against the real service: register once, get a token, ask for a configuration, restart.

    Parameters:
        statement: path of the software statement's file.
        environment: which of Adobe's environments.
        service_provider: whose configuration to ask for.
        store: where to keep the client credentials; a temporary directory by default, which wastes the registration.

    Returns:
        0 if every call was answered with 200.

    Raises:
        DCRAuthError: the statement, the store or the service is to blame.
    """
    provider = AdobePass(Path(statement), environment=environment, device_info=DeviceInfo.detect())
    base = provider.token_url.removesuffix("/o/client/token")
    url = f"{base}/api/v2/{quote(service_provider, safe='')}/configuration"
    with _kept_in(store) as chosen:
        try:
            return _safe_part(_Console(), provider, chosen, url)
        except DCRAuthError:
            raise  # the libraries' own error as well, but one that says what was wrong
        except UNANSWERED as fault:
            # What the libraries say may quote a proxy's URL, and with it a password.
            raise ServerUnavailable(f"{base} does not answer ({type(fault).__name__}); try again later") from None


def _safe_part(console: "_Console", provider: AdobePass, store: Store, url: str) -> int:
    good = True
    for name, (get, _) in CLIENTS.items():
        told: list[events.Event] = []
        source = TokenSource(provider, store=store, on_event=told.append)
        statuses = get(source, url, 1) + get(source, url, 1)
        names = ", ".join(type(event).__name__ for event in told) or "nothing: the store had it all"
        console.show(f"[bold]{name}[/bold]: answered {statuses}; {names}")
        good = good and statuses == [200, 200]
    return 0 if good else 1


@contextmanager
def _kept_in(store: Store | None) -> Iterator[Store]:
    if store is not None:
        yield store
        return
    with tempfile.TemporaryDirectory() as folder:
        yield FileStore(folder)


class _Console(Console):
    """A terminal, or a file, which may be full, or have no reader any more."""

    def __init__(self) -> None:
        coloured = is_coloured(sys.stdout)
        super().__init__(force_terminal=coloured, color_system="auto" if coloured else None)

    def show(self, what: str | Table) -> None:
        """Print lines, or a table, as they are."""
        with output():
            self.print(what, soft_wrap=isinstance(what, str))

    def on_broken_pipe(self) -> None:
        """Say so as of any other failure; rich would end the program without a word."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))
