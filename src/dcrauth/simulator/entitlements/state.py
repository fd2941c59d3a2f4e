"""What has come of the calls so far: sessions that codes lead to, and profiles that logins lead to."""

import secrets
import threading
import uuid
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, NamedTuple

from dcrauth.simulator.entitlements.device import Device
from dcrauth.simulator.world import User

_ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"
_MOST = 100_000


class Holder(NamedTuple):
    """Whose profiles they are: they end with the client credentials, and with the device's identifier."""

    client_id: str
    device: str
    provider: str


@dataclass(frozen=True)
class Session:
    """An authentication session.

    Parameters:
        code: what leads to it.
        id: its identifier.
        holder: whose profile a login makes.
        device: the streaming device.
        begins_at, ends_at: from when until when the code is good, in seconds since the epoch.
        subjects: single sign-on tokens that came along.
        parameters: the parameters so far: ``mvpd``, ``domainName``, ``redirectUrl``.
    """

    code: str
    id: str
    holder: Holder
    device: Device
    begins_at: float
    ends_at: float
    subjects: frozenset[str] = frozenset()
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Profile:
    """What a login has led to.

    Parameters:
        holder: whose it is.
        mvpd: who vouches for the user.
        user: the user.
        kind: its type, as Adobe Pass names it.
        begins_at, ends_at: from when until when it is good, in seconds since the epoch.
        subjects: single sign-on tokens that lead to it as well.
        partner: the partner it comes from; empty if from none.
    """

    holder: Holder
    mvpd: str
    user: User
    kind: str
    begins_at: float
    ends_at: float
    subjects: frozenset[str] = frozenset()
    partner: str = ""


@dataclass
class TemporaryPass:
    """What a device has used of a temporary pass."""

    begins_at: float
    resources: list[str] = field(default_factory=list)


class State:
    """All sessions and profiles of one simulator.

    Parameters:
        clock: returns seconds since the epoch.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._lock = threading.Lock()
        self._sessions: OrderedDict[str, Session] = OrderedDict()
        self._profiles: OrderedDict[Holder, dict[str, Profile]] = OrderedDict()
        self._passes: OrderedDict[tuple[str, str, str], TemporaryPass] = OrderedDict()
        self._decided: OrderedDict[tuple[Holder, str], dict[str, float]] = OrderedDict()

    def begin(
        self, holder: Holder, device: Device, life: float, subjects: frozenset[str], parameters: Mapping[str, str]
    ) -> Session:
        """Return a new session, good for *life* seconds."""
        now = self.clock()
        code = "".join(secrets.choice(_ALPHABET) for _ in range(7))
        session = Session(code, str(uuid.uuid4()), holder, device, now, now + life, subjects, dict(parameters))
        with self._lock:
            _put(self._sessions, code, session)
        return session

    def amend(self, code: str, parameters: Mapping[str, str]) -> Session:
        """Return the session of *code*, with these parameters added."""
        with self._lock:
            found = self._sessions[code]
            session = replace(found, parameters={**found.parameters, **parameters})
            self._sessions[code] = session
        return session

    @staticmethod
    def new_id() -> str:
        """Return an identifier for a session that nobody needs a code for."""
        return str(uuid.uuid4())

    def session(self, code: str) -> Session | None:
        """Return the session of *code*, whether or not it is still good."""
        with self._lock:
            return self._sessions.get(code)

    def log_in(self, profile: Profile) -> None:
        """Keep a new profile, in the place of one of the same MVPD; decisions that were made are made anew."""
        with self._lock:
            self._decided.pop((profile.holder, profile.mvpd), None)
            others = self._profiles.get(profile.holder, {})
            _put(self._profiles, profile.holder, {**others, profile.mvpd: profile})

    def log_out(self, holder: Holder, mvpd: str, subjects: Mapping[str, str]) -> Profile | None:
        """End the profiles of *holder* with *mvpd*, and of its single sign-on tokens; return one that was good."""
        found = self.profile(holder, mvpd, subjects)
        with self._lock:
            for each in [*self._all(subjects), *self._of(holder)]:
                if each.mvpd == mvpd and (each.holder == holder or not each.subjects.isdisjoint(subjects)):
                    self._profiles[each.holder].pop(mvpd, None)
                    self._decided.pop((each.holder, mvpd), None)
        return found

    def profile(self, holder: Holder, mvpd: str, subjects: Mapping[str, str]) -> Profile | None:
        """Return the profile of *holder* with *mvpd*, or one that a single sign-on token leads to, if it is good."""
        return self.profiles(holder, subjects).get(mvpd)

    def profiles(self, holder: Holder, subjects: Mapping[str, str]) -> dict[str, Profile]:
        """Return the profiles of *holder* that are good, and those that single sign-on tokens lead to, by MVPD."""
        now = self.clock()
        with self._lock:
            own, others = self._of(holder), self._all(subjects)
        found = {each.mvpd: each for each in own if each.ends_at > now}
        for each in others:
            for subject in sorted(each.subjects & subjects.keys()):
                if each.ends_at > now:
                    found.setdefault(each.mvpd, replace(each, kind=subjects[subject]))
        return found

    def has_expired(self, holder: Holder, mvpd: str) -> bool:
        """Whether *holder* had a profile with *mvpd* whose time is over."""
        with self._lock:
            profile = self._profiles.get(holder, {}).get(mvpd)
        return profile is not None and profile.ends_at <= self.clock()

    def end_profiles(self) -> None:
        """End all profiles as of now."""
        with self._lock:
            for holder, profiles in self._profiles.items():
                self._profiles[holder] = {mvpd: replace(each, ends_at=0.0) for mvpd, each in profiles.items()}

    def decided_at(self, holder: Holder, mvpd: str, question: str, life: float) -> float:
        """Return when the decision about *question* that is in force was made; now, where none is."""
        now = self.clock()
        with self._lock:
            decided = self._decided.get((holder, mvpd), {})
            made = decided.get(question)
            if made is None or made + life <= now:
                made = now
                _put(self._decided, (holder, mvpd), {**decided, question: now})
        return made

    def temporary_pass(self, holder: Holder, mvpd: str, identity: str) -> TemporaryPass:
        """Return what was used of a temporary pass; it begins with the first call."""
        key = (holder.device, mvpd, identity)
        with self._lock:
            if key not in self._passes:
                _put(self._passes, key, TemporaryPass(self.clock()))
            return self._passes[key]

    def use(self, used: TemporaryPass, resource: str, most: int | None) -> bool:
        """Whether *resource* may be seen with a pass that is good for so many; if so, it counts from now on."""
        with self._lock:
            if resource not in used.resources and most is not None and len(used.resources) >= most:
                return False
            if resource not in used.resources:
                used.resources.append(resource)
            return True

    def snapshot(self, most: int = 100) -> dict[str, list[dict[str, Any]]]:
        """Return sessions and profiles as rows of JSON values, the latest first, at most so many of each."""
        with self._lock:
            sessions = [*islice(reversed(self._sessions.values()), most)]
            holders = [*islice(reversed(self._profiles.values()), most)]
        profiles = [each for profiles in holders for each in profiles.values()][:most]
        return {"sessions": [*map(_session_row, sessions)], "profiles": [*map(_profile_row, profiles)]}

    def _of(self, holder: Holder) -> list[Profile]:
        return [*self._profiles.get(holder, {}).values()]

    def _all(self, subjects: Mapping[str, str]) -> list[Profile]:
        """All profiles, where single sign-on tokens may lead to any."""
        return [each for profiles in self._profiles.values() for each in profiles.values()] if subjects else []


def _put(kept: OrderedDict[Any, Any], key: Any, value: Any) -> None:
    kept.pop(key, None)
    kept[key] = value
    if len(kept) > _MOST:
        kept.popitem(last=False)


def _session_row(session: Session) -> dict[str, Any]:
    return {
        "code": session.code,
        "service_provider": session.holder.provider,
        "mvpd": session.parameters.get("mvpd", ""),
        "client_id": session.holder.client_id,
        "ends_at": session.ends_at,
    }


def _profile_row(profile: Profile) -> dict[str, Any]:
    return {
        "user": profile.user.name,
        "mvpd": profile.mvpd,
        "service_provider": profile.holder.provider,
        "client_id": profile.holder.client_id,
        "type": profile.kind,
        "ends_at": profile.ends_at,
    }
