"""What Redis servers answer: in one go, what a fault of redis-py says of a command, and how it is told."""

import errno
import queue
import re
import ssl
from collections.abc import Sequence
from typing import Any

import redis
from redis.exceptions import (
    AskError,
    ChildDeadlockedError,
    ClusterDownError,
    MovedError,
    NoPermissionError,
    RedisClusterException,
    TryAgainError,
)
from redis.sentinel import MasterNotFoundError

LOST = (redis.ConnectionError, redis.TimeoutError)
"""What a client raises when no answer came, so that its command may have been carried out or not."""

FAULTS = (redis.RedisError, ChildDeadlockedError, RedisClusterException)
"""All that a client raises."""

IN_CLUSTER = "it is part of a cluster: name that by redis+cluster://, or give a RedisCluster"
NO_CLUSTER = "it is not part of a cluster: name it by redis://"

_CODE = re.compile(r"[A-Z]{2,}(?= )")
_CODES_OF_CLUSTERS = {"MOVED", "ASK", "CLUSTERDOWN"}
"""With these redis-py 5 has no classes for a client of one server."""

_NOT_DONE = (AskError, ClusterDownError, TryAgainError, redis.ReadOnlyError, redis.BusyLoadingError)
"""How a server refuses what another one would carry out, or the same one a little later."""

_IN_VAIN = (redis.AuthenticationError, NoPermissionError)
"""What is refused again, however often it is tried."""

_GRANT = "; grant this to its user"
_IN_A_SCRIPT = "user executing the script"
"""What a server says where the user of a script lacks a right: it is no NOPERM then."""

_REMEDIES: tuple[tuple[type[Exception], str], ...] = (
    (redis.AuthenticationError, "; check the user name and the password"),
    (NoPermissionError, _GRANT),
    (redis.OutOfMemoryError, "; give it more memory (maxmemory)"),
    (redis.ReadOnlyError, "; it is a replica, so name its primary"),
    (
        MasterNotFoundError,
        "; no Sentinel that answers knows a primary of this name: see that they can be reached, and which they watch",
    ),
    (
        redis.TimeoutError,
        "; no answer in time: see that it runs, that no firewall keeps it away, and that it has TLS if that is rediss://",
    ),
)


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


def may_go_again(fault: Exception, *, harmless: bool) -> bool:
    """Return whether to send a command once more, which is *harmless* if it may be carried out twice."""
    root = _root(fault)
    if isinstance(root, _IN_VAIN) or isinstance(root.__context__, ssl.SSLCertVerificationError):
        return False
    return is_not_done(fault) or (harmless and isinstance(fault, LOST))


def is_not_done(fault: Exception) -> bool:
    """Return whether no command was carried out, and may be by another server or a little later."""
    if isinstance(fault, (*_NOT_DONE, MasterNotFoundError, RedisClusterException)):
        return True
    # redis-py says of a primary that has become a replica that the connection is lost.
    cause = fault.__context__
    refused = isinstance(cause, OSError) and cause.errno == errno.ECONNREFUSED
    return isinstance(fault, LOST) and (refused or isinstance(cause, redis.ReadOnlyError))


def is_no_cluster(fault: Exception) -> bool:
    """Return whether a server says that it is not part of a cluster."""
    return "Cluster mode is not enabled" in str(fault) and not isinstance(_root(fault), _IN_VAIN)


def is_crowded(fault: Exception) -> bool:
    """Return whether the command was not even sent, since no connection was free for too long."""
    return isinstance(_root(fault).__context__, queue.Empty)


def asked_elsewhere(found: Sequence[Any]) -> int | None:
    """Return the place of the first answer that sends its command, and no other, to another node of the cluster."""
    asked = (place for place, each in enumerate(found) if isinstance(each, AskError) and not _has_moved(each))
    return next(asked, None)


def _has_moved(refusal: AskError) -> bool:
    return isinstance(refusal, MovedError)


def reason(fault: Exception, *, in_cluster: bool = False) -> str:
    """Return what kind of fault it is; its text is left out, which may quote a command and with it a secret.

    Parameters:
        fault: what a client has raised.
        in_cluster: whether the server is known to be a node of a cluster.
    """
    fault = _root(fault)
    kind, cause, detail = type(fault).__name__, fault.__context__, ""
    if isinstance(fault, redis.ConnectionError) and isinstance(cause, OSError) and cause.strerror:
        detail = f" ({cause.strerror})"
    elif type(fault) is redis.ResponseError and (code := _CODE.match(str(fault))):
        detail = f" ({code[0]})"
    remedies = [remedy for each, remedy in _REMEDIES if isinstance(fault, each)]
    if str(fault).startswith("DB index"):
        remedies.append("; it has no database of this number")
    if _IN_A_SCRIPT in str(fault):
        remedies.append(_GRANT)
    return kind + detail + "".join(remedies) + (f"; {IN_CLUSTER}" if not in_cluster and _is_from_cluster(fault) else "")


def _root(fault: Exception) -> Exception:
    """Return what has kept a client from getting to know its cluster, where that is the fault."""
    while isinstance(fault, RedisClusterException) and isinstance(
        cause := fault.__cause__ or fault.__context__, FAULTS
    ):
        fault = cause
    return fault


def _is_from_cluster(fault: Exception) -> bool:
    code = _CODE.match(str(fault))
    return isinstance(fault, AskError | ClusterDownError) or (code is not None and code[0] in _CODES_OF_CLUSTERS)
