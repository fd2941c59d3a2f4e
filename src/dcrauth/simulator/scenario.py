"""Scenarios: what goes wrong, told beforehand by the number of a call or by time."""

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from dcrauth._internal.arguments import path_of
from dcrauth.errors import ConfigurationError
from dcrauth.simulator.behaviour import Fault
from dcrauth.simulator.fields import as_said, check_fields, made
from dcrauth.simulator.messages import Call, Endpoint, as_sent

_PATH = re.compile(r"/[^?#\s]*")

Action = Literal[
    "expire-tokens",
    "revoke-tokens",
    "revoke-clients",
    "revoke-statement",
    "reinstate-statement",
    "expire-profiles",
    "expire-secrets",
    "rotate-secrets",
    "revoke-registration-tokens",
]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One thing that goes wrong.

    It concerns those calls of *endpoint* that are within its numbers and its times. A fault happens to each of them;
    what is to be done is done once, before the first of them is answered.

    Parameters:
        endpoint: "register", "token", "api" (of an `OAuthSimulator` "discovery" and "manage", too), or a path; empty
            for all of these.
        fault: what goes wrong with the call.
        do: what is done to the simulator.
        first_call, last_call: from and to which call of the endpoint, counted from 1 since the scenario began; None
            for no end.
        after, until: from and to which moment, in seconds since the scenario began by the simulator's clock; None for
            no end.

    Raises:
        ConfigurationError: it has no fault and nothing to do, or both; no call or no moment fits; or one of these is of
            another type.
    """

    endpoint: str = ""
    fault: Fault | None = None
    do: Action | None = None
    first_call: int = 1
    last_call: int | None = None
    after: float = 0.0
    until: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.fault is None) is (self.do is None):
            raise ConfigurationError("A step of a scenario has either a fault or something to do")
        if self.endpoint:
            check_endpoint(self.endpoint, get_args(Endpoint))
        if self.first_call < 1 or (self.last_call is not None and self.last_call < self.first_call):
            raise ConfigurationError(
                f"A step of a scenario goes from call {self.first_call} to call {self.last_call}: "
                "first_call is 1 or more, and last_call is not before it"
            )
        if self.after < 0 or (self.until is not None and self.until <= self.after):
            raise ConfigurationError(
                f"A step of a scenario goes from {self.after} s to {self.until} s: after is 0 or more, and until later"
            )

    def holds(self, number: int, seconds: float) -> bool:
        """Whether it concerns a call of that number, so many seconds after the beginning."""
        by_number = self.first_call <= number <= (self.last_call or number)
        return by_number and self.after <= seconds and (self.until is None or seconds < self.until)


@dataclass(frozen=True)
class Scenario:
    """What goes wrong, in order.

    Parameters:
        name: what it is called, on the page and in messages.
        step: its steps; the first that concerns a call has its fault happen to it.

    Raises:
        ConfigurationError: there is no step, or something else.
    """

    name: str
    step: tuple[Step, ...] = field(repr=False)

    def __post_init__(self) -> None:
        check_fields(self)
        if not self.step:
            raise ConfigurationError(f"The scenario {self.name!r} needs at least one step")

    @classmethod
    def from_toml(cls, path: str | Path) -> "Scenario":
        """Read a scenario from a file with a ``name`` and tables ``[[step]]``, whose fields are those of `Step`.

        Raises:
            ConfigurationError: there is no such file, or what it says is no scenario.
        """
        return made(cls, table_of(path), f"the scenario in {path}")


def table_of(path: str | Path) -> dict[str, Any]:
    """Return what a TOML file says.

    Raises:
        ConfigurationError: it cannot be read, or is no TOML.
    """
    path = path_of(path, "path")
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as reason:
        raise ConfigurationError(f"{path} cannot be read: {reason.strerror}; name a TOML file") from None
    except ValueError as reason:
        raise ConfigurationError(f"{path} is no TOML: {reason}") from None
    except RecursionError:
        raise ConfigurationError(f"{path} is nested too deeply; a table in a table in a list is enough") from None


def check_endpoint(endpoint: str, known: Collection[str]) -> None:
    """Raise `ConfigurationError` unless *endpoint* is one of those that are known, or a path."""
    as_said(endpoint, str, "endpoint")
    if endpoint not in known and not _PATH.fullmatch(endpoint):
        told = ", ".join(f'"{each}"' for each in known)
        raise ConfigurationError(
            f"there is no endpoint {endpoint!r}; it must be {told}, or a path that begins with / and has no query"
        )


def check_possible(scenario: Scenario, endpoints: Collection[str], actions: Collection[str]) -> None:
    """Raise `ConfigurationError` if a step concerns what this simulator has not, or does what it cannot do."""
    for step in scenario.step:
        if step.endpoint:
            check_endpoint(step.endpoint, endpoints)
        if step.do is not None and step.do not in actions:
            raise ConfigurationError(
                f"This simulator has nothing called {step.do!r} to do; it has {', '.join(actions)}"
            )


def concerns(endpoint: str, call: Call) -> bool:
    """Whether *call* is one of *endpoint*, which may be a path, or empty for all."""
    return as_sent(endpoint) in {"", call.endpoint, call.path}
