"""Where the commands of a store go: one server, the primary that Sentinels name, or the nodes of a cluster.

Where another server may take over, what was not carried out is sent to that one, for as long as a fail-over should
take. What may have been carried out is sent again only if that does no harm; all else has to be read first.
"""

import os
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator
from contextlib import suppress
from typing import Any

from dcrauth._internal.steady import now
from dcrauth.stores._redis_answers import (
    FAULTS,
    answers,
    is_crowded,
    is_not_done,
    may_go_again,
)

FAIL_OVER = 5.0
"""For how long another server is waited for, in seconds."""

_PAUSES = (0.0, 0.05, 0.1, 0.2, 0.4)
PAGE = 1000


class Servers(ABC):
    """One or several servers that hold the records of a store.

    Parameters:
        where: what errors call them.
        place: what tells them from others.
        patience: how long another one is waited for that takes the place of one, in seconds.
    """

    is_cluster = False
    are_watched = False
    """Whether Sentinels say which one is the primary, while one that they have demoted still takes writes."""

    def __init__(self, where: str, place: Hashable, patience: float) -> None:
        self.where = where
        self.place = place
        self._patience = patience
        self._is_out = False
        self._process = os.getpid()

    def __del__(self) -> None:
        # Clients of clusters and of Sentinels are in circles, and close nothing when they are collected.
        if getattr(self, "_process", None) == os.getpid():
            with suppress(*FAULTS):
                self.close()

    def answers(self, name: bytes, *commands: tuple[Any, ...], again: bool = False, waits: bool = True) -> list[Any]:
        """Send several commands in one go; return their answers, with a `redis.ResponseError` where one was refused.

        Parameters:
            name: that of a key, which says which server they go to.
            commands: what to send.
            again: whether to send them once more if no answer came, so that they may be carried out twice.
            waits: whether to wait for a server that takes the place of one.
        """
        begun = now()
        for is_last in self.tries(waits=waits):
            try:
                found = self._sent(name, commands)
            except FAULTS as fault:
                if is_crowded(fault):
                    raise
                is_in_vain = not self.look_again() and now() - begun >= self._patience
                if is_last or is_in_vain or not may_go_again(fault, harmless=again):
                    raise
                continue
            if not any(isinstance(each, Exception) and is_not_done(each) for each in found):
                self._is_out = False
                return found
            self.look_again()
            if is_last:
                return found
        raise AssertionError("unreachable: the last try returns or raises")

    def tries(self, at_least: int = 1, *, waits: bool = True) -> Iterator[bool]:
        """Yield for each try whether it is the last one, of which there are several as long as a fail-over may take.

        After one that took longer there is no waiting until a server has answered again.
        """
        can_fail_over = self._patience > 0
        end = now() + (self._patience if waits and not self._is_out else 0.0)
        at_least = max(at_least, 1 + can_fail_over)
        number = 0
        while True:
            is_last = number + 1 >= at_least and now() >= end
            self._is_out = self._is_out or (is_last and waits and can_fail_over)
            yield is_last
            if is_last:
                return
            time.sleep(_PAUSES[min(number, len(_PAUSES) - 1)])
            number += 1

    def begin(self) -> None:  # noqa: B027  # a node of a cluster that was demoted says so
        """Look whether the server is still the one that takes writes, before a renewal."""

    def where_of(self, name: bytes) -> str:  # noqa: ARG002  # one server has all names
        """Return what errors call the server that has *name*."""
        return self.where

    def samples(self, name_of: Callable[[str], bytes]) -> list[str]:  # noqa: ARG002  # the same
        """Return keys, one for each server that has some."""
        return [""]

    def look_again(self) -> bool:
        """Find out which servers there are by now; return whether there is one that says so."""
        return True  # one server stays where it is

    @abstractmethod
    def names(self, pattern: bytes) -> Iterator[bytes]:
        """Yield all names that a pattern matches, one perhaps twice."""

    @abstractmethod
    def close(self) -> None:
        """Close the connections, unless the client is the user's."""

    def after_fork(self) -> None:
        """Leave the connections of the parent alone; where there is one server redis-py sees to that."""
        self._process = os.getpid()

    @abstractmethod
    def _sent(self, name: bytes, commands: tuple[tuple[Any, ...], ...]) -> list[Any]: ...


class OneServer(Servers):
    """A server that has all keys, be it the one that Sentinels name.

    Parameters:
        client: a client of it, which asks Sentinels itself.
        where: what errors call it.
        place: what tells it from others.
        is_users: whether the client is that of a user, who closes it.
    """

    def __init__(self, client: Any, where: str, place: Hashable, *, is_users: bool) -> None:
        self.are_watched = hasattr(client.connection_pool, "sentinel_manager")
        super().__init__(where, place, FAIL_OVER if self.are_watched else 0.0)
        self._client = client
        self._is_users = is_users

    def where_of(self, name: bytes) -> str:  # noqa: ARG002  # it has all names
        """Return what errors call the server; what Sentinels have named last is told."""
        found = getattr(self._client.connection_pool, "master_address", None)
        return "{} at {}:{}".format(self.where, *found) if found else self.where

    def names(self, pattern: bytes) -> Iterator[bytes]:
        """Yield all names that a pattern matches, one perhaps twice."""
        yield from self._client.scan_iter(match=pattern, count=PAGE)

    def close(self) -> None:
        """Close the connections, unless the client is the user's."""
        if not self._is_users:
            self._client.close()
            self._client.connection_pool.disconnect()

    def _sent(self, name: bytes, commands: tuple[tuple[Any, ...], ...]) -> list[Any]:  # noqa: ARG002
        return answers(self._client, *commands)

    def look_again(self) -> bool:
        """Ask Sentinels for the primary: connections to another server, which may still take writes, are closed."""
        if self.are_watched:
            try:
                self._client.connection_pool.get_master_address()
            except FAULTS:
                return False
        return True

    def begin(self) -> None:
        """Ask Sentinels, since a primary that they have demoted takes writes for some seconds, which are lost."""
        self.look_again()
