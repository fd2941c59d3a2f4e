"""Leases in Redis: claimed and given back in one go each, by a claim that knows itself again."""

import secrets
import time
from contextlib import suppress

from redis.lock import Lock

from dcrauth._internal.steady import now
from dcrauth.stores._redis_answers import LOST, granted
from dcrauth.stores._redis_servers import Servers

_POLL = 0.05


class Lease:
    """A lock that ends by itself.

    The answer to a claim may be lost, or the claim be sent twice; so it is read, in the same go, whose the lock is.

    Parameters:
        servers: where it is.
        name: what it is called there.
        seconds: how long it lasts.
    """

    def __init__(self, servers: Servers, name: bytes, seconds: float) -> None:
        self._servers = servers
        self._name = name
        self._milliseconds = int(1000 * seconds)
        # Not one that is made of the time and of what forked processes share, since two of those may be equal.
        self._token = secrets.token_hex(16).encode()

    def acquire(self, wait: float) -> bool:
        """Claim it until it is ours; return whether it is after *wait* seconds, of which 0 are one try."""
        end = now() + wait
        while not self._is_ours_now():
            if now() + _POLL > end:
                return False
            time.sleep(_POLL)
        return True

    def _is_ours_now(self) -> bool:
        with suppress(*LOST):  # to claim it again does no harm
            return self._claimed()
        return self._claimed()

    def _claimed(self) -> bool:
        claim = ("SET", self._name, self._token, "NX", "PX", self._milliseconds)
        _, holder = granted(self._servers.answers(self._name, claim, ("GET", self._name), again=True))
        return bool(holder == self._token)

    def extend(self) -> None:
        """Have it last as long as at first from now on, if it is still ours."""
        self._run(Lock.LUA_REACQUIRE_SCRIPT, self._milliseconds)

    def give_back(self) -> None:
        """End it if it is still ours."""
        self._run(Lock.LUA_RELEASE_SCRIPT)

    def _run(self, script: str, *given: int) -> None:
        # Whole, without asking first whether the server knows it: another one may have taken its place.
        command = ("EVAL", script, 1, self._name, self._token, *given)
        self._servers.answers(self._name, command, again=True, waits=False)
