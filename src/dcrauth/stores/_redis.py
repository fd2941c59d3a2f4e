"""Clients of Redis: how they are made, what they say of a server, and how their errors are told."""

import re
import warnings
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AskError, ChildDeadlockedError, ClusterDownError, NoPermissionError
from redis.lock import Lock
from redis.retry import Retry

from dcrauth.errors import ConfigurationError, StoreWarning

LOST = (redis.ConnectionError, redis.TimeoutError)
"""What a client raises when no answer came, so that its command may have been carried out or not."""

FAULTS = (redis.RedisError, ChildDeadlockedError)
"""All that a client raises."""

IN_CLUSTER = "it is part of a cluster, which a RedisStore cannot use: name a server that has all keys"

_TIMEOUT = 5.0
_CODE = re.compile(r"[A-Z]{2,}(?= )")
_CODES_OF_CLUSTERS = {"MOVED", "ASK", "CLUSTERDOWN"}
"""With these redis-py 5 has no classes for a client of one server."""

_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (redis.AuthenticationError, "; check the user name and the password"),
    (NoPermissionError, "; grant this to its user"),
    (redis.OutOfMemoryError, "; give it more memory (maxmemory)"),
    (redis.ReadOnlyError, "; it is a replica, so name its primary"),
)

_VERSION: dict[str, Any] = (
    {"lib_version": redis.__version__}
    if find_spec("redis.driver_info") is None
    else {"driver_info": import_module("redis.driver_info").DriverInfo(lib_version=redis.__version__)}
)
"""What redis-py would read from the files of its distribution, once more for each connection, an event loop's too."""

_UNREADABLE = (
    "redis-py cannot read the URL of the store. It goes rediss://user:password@host:6379/0?option=value, "
    "with each of @ / ? # % in the user name and in the password percent-encoded"
)


class Lease(Lock):
    """A lock that is claimed and given back in one go each, and that knows its own claim again.

    The answer to a claim may be lost, or the claim be sent twice; so it is read, in the same go, whose the lock is.
    """

    def do_acquire(self, token: Any) -> bool:
        """Claim the lock; return whether it is ours."""
        with suppress(*LOST):  # to claim it again does no harm
            return self._claimed(token)
        return self._claimed(token)

    def _claimed(self, token: Any) -> bool:
        seconds: Any = self.timeout
        claim = ("SET", self.name, token, "NX", "PX", int(1000 * seconds))
        _, holder = granted(answers(self.redis, claim, ("GET", self.name)))
        return bool(holder == token)

    def extend_ours(self, token: Any) -> None:
        """Have the lock last as long as at first from now on, if it is still ours."""
        seconds: Any = self.timeout
        self.redis.eval(self.LUA_REACQUIRE_SCRIPT, 1, self.name, token, int(1000 * seconds))

    def do_release(self, expected_token: Any) -> None:
        """Give the lock back if it is still ours, without asking first whether the server knows the script."""
        self.redis.eval(self.LUA_RELEASE_SCRIPT, 1, self.name, expected_token)


def answers(client: Any, *commands: tuple[Any, ...]) -> list[Any]:
    """Send several commands in one go; return their answers, with a `redis.ResponseError` where one was refused."""
    if len(commands) == 1:
        return [_answer(client, *commands[0])]
    with client.pipeline(transaction=False) as line:
        for command in commands:
            line.execute_command(*command)
        return list(line.execute(raise_on_error=False))


def _answer(client: Any, *command: Any) -> Any:
    try:
        return client.execute_command(*command)
    except redis.ResponseError as refusal:
        return refusal


def granted(found: list[Any]) -> list[Any]:
    """Return the answers that were *found*; raise the first refusal among them, whose text then quotes no command."""
    for each in found:
        if isinstance(each, Exception):
            raise each
    return found


def client_of(server: str | redis.Redis) -> redis.Redis:
    """Return the client that *server* is, or is the URL of.

    Raises:
        ConfigurationError: it is of no use to a store.
    """
    client = _dialled(server) if isinstance(server, str) else server
    if not isinstance(client, redis.Redis):
        raise ConfigurationError(
            "A RedisStore takes a URL (redis://, rediss://, unix://) or a redis.Redis client, of a server that is not "
            "part of a cluster"
        )
    if client.get_encoder().decode_responses:
        raise ConfigurationError("Records are bytes: a RedisStore needs a client without decode_responses")
    if _unconnected(client).socket_timeout is None:
        warnings.warn(
            "The client of a RedisStore has no socket_timeout: a server that falls silent would stop all renewals. "
            "Make it with socket_timeout=5",
            StoreWarning,
            stacklevel=4,
        )
    return client


def address_of(client: redis.Redis) -> str:
    """Return where the server of *client* is: a host and a port, a path, or the name of a service."""
    pool = client.connection_pool
    options = pool.connection_kwargs
    if service := getattr(pool, "service_name", None):
        return f"the primary of {service}"
    return str(options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}")


def reason(fault: Exception) -> str:
    """Return what kind of fault it is; its text is left out, which may quote a command and with it a secret."""
    kind, cause, detail = type(fault).__name__, fault.__context__, ""
    if isinstance(fault, redis.ConnectionError) and isinstance(cause, OSError) and cause.strerror:
        detail = f" ({cause.strerror})"
    elif type(fault) is redis.ResponseError and (code := _CODE.match(str(fault))):
        detail = f" ({code[0]})"
    remedies = [remedy for each, remedy in _REMEDIES if isinstance(fault, each)]
    return kind + detail + "".join(remedies) + (f"; {IN_CLUSTER}" if _is_from_cluster(fault) else "")


def _is_from_cluster(fault: Exception) -> bool:
    code = _CODE.match(str(fault))
    return isinstance(fault, AskError | ClusterDownError) or (code is not None and code[0] in _CODES_OF_CLUSTERS)


def facts_in(answer: Any) -> dict[str, Any]:
    """Return what the server says of itself, or of its settings; nothing where it refuses to: not everybody may ask."""
    return dict(answer) if isinstance(answer, dict) else {}


def doubts_of(facts: dict[str, Any], settings: dict[str, Any]) -> Iterator[str]:
    """Yield what is wrong with the settings of a server, each with what to do about it.

    Parameters:
        facts: what it says of itself.
        settings: when it writes snapshots; nothing where it does not tell, as is usual where it is rented.
    """
    policy, journal = facts.get("maxmemory_policy"), facts.get("aof_enabled")
    if policy is None:
        yield "does not tell its maxmemory-policy; see to it that it is noeviction"
    elif policy.startswith("allkeys-"):
        yield f"may evict client credentials (maxmemory-policy {policy}), which logs end users out; set noeviction"
    if journal is None:
        yield "does not tell whether it keeps its data on disk; see to it that it does (appendonly yes)"
    elif not journal:
        yield f"{_shortfall(settings.get('save'))}; set appendonly yes"


def _shortfall(snapshots: str | None) -> str:
    """Return what a server without a journal loses; its setting for snapshots may be unknown, or empty."""
    if snapshots is None:
        return "keeps no journal, so that a crash loses the client credentials since its last snapshot, or all"
    if snapshots:
        return "keeps snapshots only, so that a crash loses the client credentials that came after the last one"
    return "keeps nothing on disk, so that a restart loses client credentials"


def _dialled(url: str) -> redis.Redis:
    """Return a client for *url*; what is wrong with one is not quoted, since it may be a piece of a password.

    Where more threads than it has connections use it at once, they wait for one, as no other pool of redis-py does.
    """
    try:
        pool = redis.BlockingConnectionPool.from_url(
            url, socket_timeout=_TIMEOUT, socket_connect_timeout=_TIMEOUT, retry=Retry(NoBackoff(), 0), **_VERSION
        )
        client = redis.Redis.from_pool(pool)
        _unconnected(client)
    except Exception:  # redis-py raises a TypeError, a ValueError or even a NameError
        raise ConfigurationError(_UNREADABLE) from None
    if _is_torn(url):
        raise ConfigurationError(_UNREADABLE)
    return client


def _is_torn(url: str) -> bool:
    """Return whether a / or # in a password has made the rest of it, and the host, a path that redis-py ignores."""
    parts = urlsplit(url)
    return parts.scheme != "unix" and "@" in parts.path + parts.fragment


def _unconnected(client: redis.Redis) -> Any:
    """Return a connection as the client makes them; redis-py looks at most options only then."""
    return client.connection_pool.connection_class(**client.connection_pool.connection_kwargs)
