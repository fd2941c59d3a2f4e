"""The nodes of a Redis cluster: which of them has a key, and where that goes when it moves."""

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Any

from redis.cluster import RedisCluster
from redis.exceptions import RedisClusterException, TimeoutError  # noqa: A004  # redis-py's, as it raises it

from dcrauth._internal.steady import now
from dcrauth.errors import ConfigurationError
from dcrauth.stores._redis_answers import FAULTS, NO_CLUSTER, answers, asked_elsewhere, is_crowded, is_no_cluster
from dcrauth.stores._redis_names import samples
from dcrauth.stores._redis_servers import FAIL_OVER, PAGE, Servers


class Cluster(Servers):
    """The nodes of a cluster, each of which has some of all keys.

    Commands go to the client of the node itself, so that those about one key are one round trip, and that only what
    may be sent twice is.

    Parameters:
        client: that of the cluster; or what makes one, which calls the cluster.
        where: what errors call it.
        place: what tells it from others.
    """

    is_cluster = True

    def __init__(self, client: RedisCluster | Callable[[], RedisCluster], where: str, place: Hashable) -> None:
        super().__init__(where, place, FAIL_OVER)
        self._client = client
        self._made: Any = None
        self._former: Any = None
        self._lock = threading.Lock()
        self._silent_at = 0.0

    def where_of(self, name: bytes) -> str:
        """Return the address of the node that has *name*."""
        try:
            return str(self._nodes().get_node_from_key(name).name)
        except FAULTS:
            return self.where

    def samples(self, name_of: Callable[[str], bytes]) -> list[str]:
        """Return keys, one for each node that has some."""
        client = self._nodes()
        return samples(lambda key: str(client.get_node_from_key(name_of(key)).name), len(client.get_primaries()))

    def names(self, pattern: bytes) -> Iterator[bytes]:
        """Yield all names that a pattern matches, one perhaps twice."""
        self.look_again()
        client = self._nodes()
        for node in client.get_primaries():
            yield from client.get_redis_connection(node).scan_iter(match=pattern, count=PAGE)

    def close(self) -> None:
        """Close the connections, unless the client is the user's."""
        with self._lock:
            ended, self._made, self._former = (self._made, self._former), None, None
        for each in ended:
            _close(each)

    def after_fork(self) -> None:
        """Have a client of its own in a child; that of the parent is kept, so that nothing is sent at its end."""
        self._inherited, self._made, self._former = (self._made, self._former), None, None
        super().after_fork()
        self._lock = threading.Lock()

    def _nodes(self) -> Any:
        """Return the client, which knows what the nodes were when it last asked one."""
        if isinstance(self._client, RedisCluster):
            return self._client
        asked_at = now()
        with self._lock:
            if self._made is None:
                if asked_at <= self._silent_at:  # else each thread would wait for all nodes, one after the other
                    raise RedisClusterException from TimeoutError()
                self._made = self._connected(self._client)
            return self._made

    def _connected(self, make: Callable[[], RedisCluster]) -> RedisCluster:
        begun = now()
        try:
            return make()
        except FAULTS as fault:
            if now() - begun >= FAIL_OVER:
                self._silent_at = now()
            if not is_no_cluster(fault):
                raise
        raise ConfigurationError(f"Redis at {self.where} cannot be used: {NO_CLUSTER}")

    def _sent(self, name: bytes, commands: tuple[tuple[Any, ...], ...]) -> list[Any]:
        client = self._nodes()
        node = client.get_node_from_key(name)
        found = answers(client.get_redis_connection(node), *commands)
        asked = asked_elsewhere(found)
        if asked is None:
            return found
        return found[:asked] + self._sent_on(client, found[asked:], commands[asked:])

    def _sent_on(self, client: Any, refused: list[Any], commands: tuple[tuple[Any, ...], ...]) -> list[Any]:
        """Ask the node to which a key is being moved; return what was *refused* if nobody knows it yet."""
        manager, refusal = client.nodes_manager, refused[0]
        node = client.get_node(*manager.remap_host_port(refusal.host, refusal.port))
        if node is None:
            return refused
        asking = [each for command in commands for each in (("ASKING",), command)]
        return answers(client.get_redis_connection(node), *asking)[1::2]

    def look_again(self) -> bool:
        """Ask the nodes which of them has what; where none answers any more, begin with those that were named."""
        if self._made is None and not isinstance(self._client, RedisCluster):
            return False  # none of those has answered
        try:
            self._nodes().nodes_manager.initialize()
        except FAULTS as fault:
            if not is_crowded(fault):
                with self._lock:  # what is in use by others now is closed the next time
                    ended, self._former, self._made = self._former, self._made, None
                _close(ended)
            return False
        return True


def _close(client: Any) -> None:
    if client is not None:
        client.close()
        client.disconnect_connection_pools()
