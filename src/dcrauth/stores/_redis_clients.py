"""Clients of Redis as users name them: by a URL, or as an object of redis-py."""

import re
import warnings
from collections.abc import Iterable
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.cluster import RedisCluster
from redis.retry import Retry
from redis.sentinel import SentinelConnectionPool

from dcrauth._internal.arguments import check_seconds
from dcrauth.errors import ConfigurationError, StoreWarning
from dcrauth.stores import OneObject
from dcrauth.stores._redis_cluster import Cluster
from dcrauth.stores._redis_servers import OneServer, Servers

_redis: Any = redis
"""The same, of which a half has no types."""

_TIMEOUT = 5.0
_TIMEOUT_OF_SENTINELS = 2.0
"""How long a Sentinel is waited for, of which there are others, in seconds."""

_VERSION: dict[str, Any] = (
    {"lib_version": redis.__version__}
    if find_spec("redis.driver_info") is None
    else {"driver_info": import_module("redis.driver_info").DriverInfo(lib_version=redis.__version__)}
)
"""What redis-py would read from the files of its distribution, once more for each connection, an event loop's too."""

_SEVERAL = re.compile(r"(rediss?)\+(cluster|sentinel)://([^/?#]*@)?([^/?#@]+)(.*)", re.DOTALL | re.IGNORECASE)
_SERVICE = re.compile(r"/([^/?#]+)(?:/([0-9]*))?(\?.*)?", re.DOTALL)

_UNREADABLE = (
    "The URL of the Redis cannot be read. It goes rediss://user:password@host:6379/0?option=value, or "
    "redis+cluster://user:password@host:6379,host:6379, or "
    "redis+sentinel://user:password@host:26379,host:26379/service/0, "
    "with each of @ / ? # % in the user name and in the password percent-encoded"
)


class _WaitingPool(SentinelConnectionPool, redis.BlockingConnectionPool):
    """Connections to the primary that Sentinels name; a thread that finds all of them in use waits for one."""

    def disconnect(self, inuse_connections: bool = True) -> None:
        """Close connections; only those that nobody uses, if the primary is found to be another one."""
        if inuse_connections:
            super().disconnect()
            return
        for connection in list(self.pool.queue):
            if connection is not None:
                connection.disconnect()


def servers_of(server: str | redis.Redis | RedisCluster) -> Servers:
    """Return the servers that *server* leads to, a URL or a client.

    Raises:
        ConfigurationError: it is of no use to a store.
    """
    if isinstance(server, str):
        return _by_url(server)
    if isinstance(server, RedisCluster):
        return _cluster_of(server)
    if not isinstance(server, redis.Redis):
        raise ConfigurationError(
            "A RedisStore takes a URL (redis://, rediss://, unix://, redis+cluster://, redis+sentinel://), a "
            "redis.Redis or a redis.RedisCluster"
        )
    if not getattr(server.connection_pool, "is_master", True):
        raise ConfigurationError("A RedisStore needs the primary, which replicas follow: take Sentinel.master_for")
    return _server_of(server)


def _server_of(client: redis.Redis) -> Servers:
    _check_encoding(client)
    _check_timeout({"socket_timeout": _unconnected(client.connection_pool).socket_timeout})
    return _one(client, is_users=True)


def _cluster_of(client: Any) -> Servers:
    _check_encoding(client)
    _check_timeout(client.get_connection_kwargs())
    named = _hosts((each.host, each.port) for each in client.nodes_manager.startup_nodes.values())
    return Cluster(client, f"the cluster of {named}", ("redis cluster", OneObject(client)))


def _check_waits(options: dict[str, Any]) -> None:
    for name in ("socket_timeout", "socket_connect_timeout"):
        if options.get(name) is not None:
            check_seconds(options[name], name)


def _check_encoding(client: Any) -> None:
    if client.get_encoder().decode_responses:
        raise ConfigurationError("Records are bytes: a RedisStore needs a client without decode_responses")


def _check_timeout(options: dict[str, Any]) -> None:
    _check_waits(options)
    if options.get("socket_timeout") is None:
        warnings.warn(
            "The client of a RedisStore has no socket_timeout: a server that falls silent would stop all renewals. "
            "Make it with socket_timeout=5",
            StoreWarning,
            stacklevel=6,
        )


def _by_url(url: str) -> Servers:
    """Return the servers of a URL; what is wrong with one is not quoted, since it may be a piece of a password."""
    try:
        several = _SEVERAL.fullmatch(url)
        made = _of_one(url) if several is None else _of_several(*several.groups(default=""))
    except ConfigurationError:
        raise
    except Exception:  # redis-py raises a TypeError, a ValueError or even a NameError
        raise ConfigurationError(_UNREADABLE) from None
    if _is_torn(url) or not _names_a_database(url):
        raise ConfigurationError(_UNREADABLE)
    return made


def _names_a_database(url: str) -> bool:
    """Return whether the path of a URL is the number of a database, or nothing: redis-py takes all else for 0."""
    parts = urlsplit(url)
    return parts.scheme == "unix" or "sentinel" in parts.scheme or bool(re.fullmatch("/?[0-9]*/?", parts.path))


def _is_torn(url: str) -> bool:
    """Return whether a / or # in a password has made the rest of it, and the host, a path that redis-py ignores."""
    parts = urlsplit(url)
    is_socket = parts.scheme == "unix" and (not parts.netloc or "@" in parts.netloc)  # which may have an @ in its name
    return not is_socket and "@" in parts.path + parts.fragment


def _of_one(url: str) -> Servers:
    """Return one server. Where more threads than it has connections use it at once, they wait for one."""
    pool = _checked(_redis.BlockingConnectionPool.from_url(url, **_defaults()))
    return _one(redis.Redis.from_pool(pool), is_users=False)


def _of_several(scheme: str, form: str, user: str, hosts: str, rest: str) -> Servers:
    scheme, addresses = scheme.lower(), hosts.split(",")
    if form.lower() == "cluster":
        return _of_cluster(f"{scheme}://{user}", addresses, rest)
    return _of_sentinels(f"{scheme}://{user}", addresses, rest)


def _of_cluster(begin: str, hosts: list[str], rest: str) -> Servers:
    """Return a cluster, which is called at the first use."""
    addresses = [_address(each, 6379) for each in hosts]
    options = _options(f"{begin}host{rest}")
    if options.pop("db", 0):
        raise ConfigurationError("A Redis cluster has one database: leave its number out of the URL")
    pool = partial(redis.BlockingConnectionPool, **options)
    _checked(pool())
    # By a URL, since redis-py makes pools of a kind that it is given for such clients only.
    named = _plain_url(*addresses[0])

    def made() -> RedisCluster:
        others = [_redis.cluster.ClusterNode(*each) for each in addresses[1:]]
        settings: dict[str, Any] = {"connection_pool_class": pool, "require_full_coverage": False}
        return RedisCluster(url=named, startup_nodes=others, **settings)

    listed = _hosts(addresses)
    return Cluster(made, f"the cluster of {listed}", ("redis cluster", listed))


def _plain_url(host: str, port: int) -> str:
    return f"redis://[{host}]:{port}" if ":" in host else f"redis://{host}:{port}"


def _of_sentinels(begin: str, hosts: list[str], rest: str) -> Servers:
    """Return the primary of a service, which is asked for at each connection."""
    named = _SERVICE.fullmatch(rest)
    if named is None:
        raise ConfigurationError(_UNREADABLE)
    service, database, query = named.groups(default="")
    options = _options(f"{begin}host/{database}{query}")
    own = {name: options.pop(f"sentinel_{name}") for name in ("username", "password") if f"sentinel_{name}" in options}
    _checked(_redis.BlockingConnectionPool(**options))
    if options.pop("connection_class", None) is not None:
        options["ssl"] = True
    secured = {name: value for name, value in options.items() if name.startswith("ssl")}
    waits = {"socket_timeout": _TIMEOUT_OF_SENTINELS, "socket_connect_timeout": _TIMEOUT_OF_SENTINELS}
    of_sentinels: dict[str, Any] = _defaults() | waits | secured | own
    sentinels = _redis.sentinel.Sentinel([_address(each, 26379) for each in hosts], sentinel_kwargs=of_sentinels)
    client = sentinels.master_for(unquote(service), connection_pool_class=_WaitingPool, **options)
    return _one(client, is_users=False)


def _options(url: str) -> dict[str, Any]:
    """Return what a URL says of each connection, whatever its host."""
    options: dict[str, Any] = _defaults() | _redis.connection.parse_url(url)
    options.pop("host", None)
    options.pop("port", None)
    return options


def _defaults() -> dict[str, Any]:
    return {
        "socket_timeout": _TIMEOUT,
        "socket_connect_timeout": _TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        **_VERSION,
    }


def _checked(pool: Any) -> Any:
    """Return *pool*; redis-py looks at most options only when it makes a connection."""
    _unconnected(pool)
    _check_waits(pool.connection_kwargs)
    _check_encoding(redis.Redis.from_pool(pool))
    return pool


def _unconnected(pool: Any) -> Any:
    """Return a connection as a pool makes them."""
    return pool.connection_class(**pool.connection_kwargs)


def _one(client: Any, *, is_users: bool) -> Servers:
    pool = client.connection_pool
    where = _where(pool)
    place = ("redis", where, *_sentinels(pool), str(pool.connection_kwargs.get("db") or 0))
    return OneServer(client, where, place, is_users=is_users)


def _where(pool: Any) -> str:
    """Return where the server of a client is: a host and a port, a path, or the name of a service."""
    options = pool.connection_kwargs
    if service := getattr(pool, "service_name", None):
        return f"the primary of {service}"
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


def _sentinels(pool: Any) -> list[str]:
    """Return the addresses of the Sentinels by which a client finds its server."""
    asked = getattr(getattr(pool, "sentinel_manager", None), "sentinels", [])
    return sorted(_where(each.connection_pool) for each in asked)


def _hosts(addresses: Iterable[tuple[str, int]]) -> str:
    return ", ".join(sorted(f"{host}:{port}" for host, port in addresses))


def _address(text: str, port: int) -> tuple[str, int]:
    """Return a host and its port; raise ValueError if it is none."""
    parts = urlsplit(f"//{text}")
    if not parts.hostname or parts.path:
        raise ValueError(text)
    return parts.hostname, parts.port or port
