"""The simulated world: service providers, MVPDs, their users, and what may be watched."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.fields import check_fields, check_json, check_ranges, made
from dcrauth.simulator.scenario import table_of

DAY = 86_400.0


@dataclass(frozen=True, kw_only=True)
class Mvpd:
    """A television provider.

    Parameters:
        id: its identifier.
        display_name: what a picker shows; by default the identifier.
        logo_url: its picture.
        has_logout: whether a logout ends with a page of its own.
        profile_life, decision_life: seconds that a profile, and a decision, are good for.
        partners: partners whose sign-on it takes part in.
        degraded: a rule that is in force because it is down: everybody is let in, or may see all, or nothing.
        temporary_life: seconds of a temporary pass that needs no login; None for an MVPD proper.
        temporary_resources: how many resources such a pass is good for, which makes it a promotional one, that needs
            ``AP-TempPass-Identity``.

    Raises:
        ConfigurationError: one of these is what it cannot be.
    """

    id: str
    display_name: str = ""
    logo_url: str = "https://example.com/logo.png"
    has_logout: bool = True
    profile_life: float = 365 * DAY
    decision_life: float = DAY
    partners: tuple[str, ...] = ()
    degraded: Literal["authn-all", "authz-all", "authz-none"] | None = None
    temporary_life: float | None = None
    temporary_resources: int | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        check_ranges(self, ["profile_life", "decision_life", "temporary_life"], 0)
        check_ranges(self, ["temporary_resources"], 1)
        if self.temporary_resources is not None and self.temporary_life is None:
            raise ConfigurationError(f"temporary_resources of Mvpd {self.id!r} needs a temporary_life, in seconds")

    @property
    def is_temporary(self) -> bool:
        """Whether it is a temporary pass."""
        return self.temporary_life is not None


@dataclass(frozen=True, kw_only=True)
class User:
    """Somebody who can log in.

    Parameters:
        name: the name to log in with.
        password: the password to log in with; empty for any.
        mvpd: whose subscriber it is; empty for all.
        resources: what may be watched; None for all.
        attributes: metadata of the profile, any JSON values.

    Raises:
        ConfigurationError: one of these is what it cannot be.
    """

    name: str
    password: str = field(default="", repr=False)
    mvpd: str = ""
    resources: tuple[str, ...] | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        check_fields(self)
        check_json(self.attributes, f"attributes of user {self.name!r}")


@dataclass(frozen=True, kw_only=True)
class Resource:
    """Something to watch.

    Parameters:
        id: its identifier.
        error: code of the error that every decision about it has; empty for none.

    Raises:
        ConfigurationError: one of these is no text.
    """

    id: str
    error: str = ""

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, kw_only=True)
class ServiceProvider:
    """A programmer's channel.

    Parameters:
        id: its identifier.
        name: its name; by default the identifier.
        domains: where its pages are.
        mvpds: identifiers of the MVPDs that it is integrated with; None for all.

    Raises:
        ConfigurationError: one of these is what it cannot be.
    """

    id: str
    name: str = ""
    domains: tuple[str, ...] = ("adobe.com",)
    mvpds: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        check_fields(self)


_MVPDS = (
    Mvpd(id="Cablevision", display_name="Optimum", partners=("Apple",)),
    Mvpd(id="Dish", display_name="Dish", has_logout=False),
    Mvpd(id="TempPass_TEST40", display_name="Three minutes", temporary_life=180.0),
    Mvpd(id="flexibleTempPass", display_name="Two resources", temporary_life=DAY, temporary_resources=2),
)


@dataclass(frozen=True, kw_only=True)
class World:
    """What the simulator's answers are about.

    Parameters:
        service_providers: the channels.
        mvpds: the television providers.
        users: their subscribers.
        resources: what there is to watch; empty for whatever is asked for.
        partners: partners for single sign-on.

    Raises:
        ConfigurationError: one of these is what it cannot be, two have one id, or one names another that is not there.
    """

    service_providers: tuple[ServiceProvider, ...] = (ServiceProvider(id="REF30"),)
    mvpds: tuple[Mvpd, ...] = _MVPDS
    users: tuple[User, ...] = (User(name="alice"), User(name="nobody", resources=()))
    resources: tuple[Resource, ...] = ()
    partners: tuple[str, ...] = ("Apple",)

    def __post_init__(self) -> None:
        check_fields(self)
        for kind in ("service_providers", "mvpds", "resources"):
            _without_doubles(kind, [each.id for each in getattr(self, kind)])
        known = {each.id for each in self.mvpds}
        for user in self.users:
            _known("mvpd", f"user {user.name!r}", {user.mvpd} - {""}, known)
        for provider in self.service_providers:
            _known("mvpds", f"service provider {provider.id!r}", set(provider.mvpds or ()), known)
        for mvpd in self.mvpds:
            _known("partners", f"MVPD {mvpd.id!r}", set(mvpd.partners), set(self.partners))

    @classmethod
    def from_toml(cls, path: str | Path) -> "World":
        """Read a world from a file; what the file leaves out is as usual.

        Raises:
            ConfigurationError: there is no such file, or what it says is wrong.
        """
        return made(cls, table_of(path), str(path))

    def shown(self) -> dict[str, Any]:
        """Return it as JSON values, without the passwords."""
        fields = asdict(self)
        for user in fields["users"]:
            del user["password"]
        return fields

    def service_provider(self, name: str) -> ServiceProvider | None:
        """Return the service provider of this name."""
        return next((each for each in self.service_providers if each.id == name), None)

    def mvpd(self, name: str) -> Mvpd | None:
        """Return the MVPD of this name."""
        return next((each for each in self.mvpds if each.id == name), None)

    def offered(self, service_provider: str) -> list[Mvpd]:
        """Return the MVPDs that a service provider is integrated with."""
        provider = self.service_provider(service_provider)
        named = None if provider is None else provider.mvpds
        return [each for each in self.mvpds if named is None or each.id in named]

    def resource(self, name: str) -> Resource | None:
        """Return the resource of this name; where none are listed, each there could be."""
        if not self.resources:
            return Resource(id=name)
        return next((each for each in self.resources if each.id == name), None)

    def subscribers(self, mvpd: str) -> list[User]:
        """Return those who can log in there."""
        return [each for each in self.users if each.mvpd in {"", mvpd}]


def _without_doubles(kind: str, names: list[str]) -> None:
    for name in names:
        if not name or names.count(name) > 1:
            raise ConfigurationError(f"The world's {kind} need an id each, and different ones; {name!r} is none")


def _known(what: str, whose: str, named: set[str], known: set[str]) -> None:
    for name in sorted(named - known):
        raise ConfigurationError(f"{what} of {whose} names {name!r}; there is {', '.join(sorted(known)) or 'none'}")
