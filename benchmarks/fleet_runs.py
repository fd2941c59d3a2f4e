"""What is measured of a fleet of identities, each function in a process of its own (`apart`)."""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from apart import Found, Lag, lag_watched, resident
from dcrauth import AccessToken, AdobePass, ClientCredentials, MemoryStore
from dcrauth.engine.identity import Identity
from dcrauth.engine.records import read_credentials, read_token, write_credentials, write_token
from endpoints import control
from fleet_endpoints import LIFE, calls_between
from identities import SLOW, STATEMENT, ByHand, Contestant, Fleet, Ours, instance, opened, store_of
from stores import CONTESTANTS, hasty_disk

Mark = Callable[[], None]
WARM_UP = 1_000_000
"""The number of an identity that comes first, so that imports and TLS contexts do not count."""
CROWD = 1_000
TOKEN_LENGTH = 628


def all_at_once(mark: Mark, fleet: Fleet) -> Found:
    """Get a token for each identity at the same moment."""
    return asyncio.run(_all_at_once(mark, fleet))


async def _all_at_once(mark: Mark, fleet: Fleet) -> Found:
    async with opened(fleet) as contestant:
        await contestant.token(WARM_UP)
        control(fleet.url, "reset")
        before = resident()
        mark()
        async with lag_watched() as lag:
            begin, spent = time.perf_counter(), time.process_time()
            asked = (contestant.token(number) for number in range(fleet.count))
            failed = _failures(await asyncio.gather(*asked, return_exceptions=True))
            wall, cpu = time.perf_counter() - begin, time.process_time() - spent
        return {"wall": wall, "cpu": cpu, "failed": failed, **_lags(lag), "memory": (resident() - before) / fleet.count}


def _failures(ended: Sequence[object]) -> int:
    """Return how many have failed; say why the first one has."""
    failures = [each for each in ended if isinstance(each, BaseException)]
    if failures:
        print(f"{len(failures)} of {len(ended)} failed, such as: {failures[0]!r}", file=sys.stderr)
    return len(failures)


def _lags(lag: Lag) -> Found:
    return {"lag": lag.at(0.99), "longest lag": lag.at(1)}


def records(url: str, numbers: Iterable[int], *, with_tokens: bool = True) -> Iterable[tuple[str, bytes]]:
    """Yield the records of identities as our stores hold them."""
    provider, now = AdobePass(STATEMENT, base_url=url), time.time()
    for number in numbers:
        where = (provider.register_url, provider.token_url, provider.application, instance(number))
        identity, chance = Identity.of(*where), random.Random(number)
        pair = [str(uuid.UUID(int=chance.getrandbits(128))) for _ in range(2)]
        metadata = {"client_id_issued_at": 1700725699585, "redirect_uris": [], "grant_types": ["client_credentials"]}
        client = ClientCredentials(*pair, registered_at=now, metadata=metadata | {"scopes": ["api:client:v2"]})
        yield identity.credentials, write_credentials(identity.credentials, client).data
        if with_tokens:
            token = AccessToken(f"{number:0{TOKEN_LENGTH}d}", now, now + LIFE)
            yield identity.token, write_token(identity.token, token)


def filled(mark: Mark, fleet: Fleet) -> Found:
    """Fill the store of a fleet, as a run before this one would have, without waiting for the disk."""
    store = store_of(fleet)
    inner = getattr(store, "_inner", store)
    if hasattr(inner, "_folders"):
        inner._folders.disk = hasty_disk()
    for key, value in records(fleet.url, (*range(fleet.count), WARM_UP)):
        store.put(key, value)
    mark()
    return {"size": CONTESTANTS[fleet.store](Path(fleet.folder)).size() / fleet.count}


def held(mark: Mark, fleet: Fleet) -> Found:
    """Hold a token for each identity, from a store that has them all; a crowd at a time."""
    return asyncio.run(_held(mark, fleet))


async def _held(mark: Mark, fleet: Fleet) -> Found:
    ours = Ours(fleet, store_of(fleet))
    await ours.token(WARM_UP)
    before = resident()
    mark()
    begin, spent = time.perf_counter(), time.process_time()
    for first in range(0, fleet.count, CROWD):
        await asyncio.gather(*(ours.token(n) for n in range(first, min(first + CROWD, fleet.count))))
    wall, cpu = time.perf_counter() - begin, time.process_time() - spent
    return {"wall": wall, "cpu": cpu, "memory": (resident() - before) / fleet.count}


def held_alone(mark: Mark, fleet: Fleet) -> Found:
    """Hold the token and the credentials of each identity, and nothing else: what can be no less."""
    before = resident()
    mark()
    kept: list[Any] = []
    for key, value in records(fleet.url, range(fleet.count)):
        read: Callable[[str, bytes], Any] = read_credentials if key.endswith(".credentials") else read_token
        kept.append(read(key, value))
    return {"memory": (resident() - before) / fleet.count}


def outcome(mark: Mark, count: int) -> Found:
    """Note an outcome among *count* others."""
    from dcrauth.engine.incident_breaker import breaker_of

    breaker, times = breaker_of("https://sp.auth.adobe.com/o/client/token"), []
    for number in range(count):
        breaker.report(f"{number:064x}", 0.0, refused=False)
    mark()
    for number in range(500):
        begin = time.perf_counter()
        breaker.report(f"{number * 7919 % count:064x}", 1.0, refused=False)
        times.append(time.perf_counter() - begin)
    return {"outcome": statistics.median(times)}


def redis_trips(mark: Mark, fleet: Fleet) -> Found:
    """Count what goes to Redis for each identity."""
    from redis.connection import AbstractConnection

    trips, commands = [0], [0]
    send, pack = AbstractConnection.send_packed_command, AbstractConnection.pack_commands
    single = AbstractConnection.send_command

    def counted_send(self: Any, *given: Any, **more: Any) -> Any:
        trips[0] += 1
        return send(self, *given, **more)

    def counted_pack(self: Any, many: Any) -> Any:
        commands[0] += len(many)
        return pack(self, many)

    def counted_single(self: Any, *given: Any, **more: Any) -> Any:
        commands[0] += 1
        return single(self, *given, **more)

    ours = Ours(fleet, store_of(fleet))
    ours.source(WARM_UP).token()
    AbstractConnection.send_packed_command = counted_send
    AbstractConnection.pack_commands = counted_pack
    AbstractConnection.send_command = counted_single
    mark()
    for number in range(fleet.count):
        ours.source(number).token()
    return {"trips": trips[0] / fleet.count, "commands": commands[0] / fleet.count}


ASKS = 6
"""How often a device makes a request during an outage; it goes on so afterwards."""
AFTERWARDS = 180.0
"""Seconds after an outage in which all are to be well again."""


def outage(mark: Mark, fleet: Fleet, kind: str, seconds: float) -> Found:
    """Have each identity ask for a token every so often, from the beginning of an outage until all have one.

    Parameters:
        kind: "down" answers 503 at once, "silent" not at all.
        seconds: how long it lasts.
    """
    return asyncio.run(_outage(mark, fleet, kind, seconds))


async def _outage(mark: Mark, fleet: Fleet, kind: str, seconds: float) -> Found:
    async with opened(fleet) as contestant:
        await contestant.token(WARM_UP)
        _register(contestant, fleet)
        await asyncio.to_thread(control, fleet.url, "reset")
        await asyncio.to_thread(control, fleet.url, kind)
        mark()
        begin = time.monotonic()
        end = begin + seconds
        up = asyncio.get_running_loop().call_later(
            seconds, asyncio.get_running_loop().run_in_executor, None, control, fleet.url, "up"
        )
        async with lag_watched() as lag:
            rate = fleet.count / seconds * ASKS
            failed = await _asked_until_all_are_served(contestant, rate, fleet.count, end + AFTERWARDS)
        up.cancel()
        served = time.monotonic()
        during = calls_between(fleet.url, begin, end)
        after = calls_between(fleet.url, end, served)
    found = {"calls": during[0], "busiest": during[1], "busiest after": after[1], "calls after": after[0]}
    return {**found, "failed": failed, "recovery": served - end, **_lags(lag)}


def _register(contestant: Contestant, fleet: Fleet) -> None:
    """Make all clients known, and no token."""
    if isinstance(contestant, ByHand):
        for number in range(fleet.count):
            contestant.clients[number] = {"client_id": str(uuid.uuid4()), "client_secret": str(uuid.uuid4())}
        return
    assert isinstance(contestant, Ours)
    for key, value in records(fleet.url, range(fleet.count), with_tokens=False):
        contestant.store.put(key, value)


async def _asked_until_all_are_served(contestant: Contestant, rate: float, count: int, deadline: float) -> int:
    """Have one after the other ask, *rate* in a second, until all were served; return how many requests failed."""
    served, failed, number, begin = set[int](), [0], 0, time.monotonic()
    asking = set[asyncio.Task[None]]()

    async def ask(device: int) -> None:
        try:
            await contestant.token(device)
        except Exception:
            failed[0] += 1
        else:
            served.add(device)

    while len(served) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{count - len(served)} of {count} identities had no token after {AFTERWARDS:g} s")
        await asyncio.sleep(max(0.0, begin + number / rate - time.monotonic()))
        if number % count not in served:
            task = asyncio.create_task(ask(number % count))
            asking.add(task)
            task.add_done_callback(asking.discard)
        number += 1
    return failed[0]


def mixed(mark: Mark, fleet: Fleet, slow: int, elsewhere: str) -> Found:
    """Get a token for each identity at once, right after so many slow ones.

    Parameters:
        slow: how many; one is a slow device at the same endpoint, more are at an endpoint *elsewhere* that is slow.
    """
    return asyncio.run(_mixed(mark, fleet, slow, elsewhere))


async def _mixed(mark: Mark, fleet: Fleet, slow: int, elsewhere: str) -> Found:
    async with opened(fleet) as contestant:
        await contestant.token(WARM_UP)
        mark()
        if slow == 1:
            late = [asyncio.create_task(contestant.token(SLOW))]
        else:
            other = _at(contestant, fleet, elsewhere)
            late = [asyncio.create_task(other.token(number)) for number in range(slow)]
        await asyncio.sleep(0.1)
        begin = time.perf_counter()

        async def taken(number: int) -> float:
            await contestant.token(number)
            return time.perf_counter() - begin

        times = sorted(await asyncio.gather(*(taken(number) for number in range(fleet.count))))
        waiting = sum(not each.done() for each in late)
        for each in late:
            each.cancel()
        await asyncio.gather(*late, return_exceptions=True)
    return {
        "median": statistics.median(times),
        "p99": times[int(0.99 * len(times))],
        "last": times[-1],
        "left": waiting,
    }


def _at(contestant: Contestant, fleet: Fleet, url: str) -> Contestant:
    """Return the contestant for another endpoint, with what the first one shares."""
    if isinstance(contestant, ByHand):
        return ByHand(contestant.session, url)
    return Ours(Fleet(url, fleet.count, fleet.kind, timeout=fleet.timeout), MemoryStore())
