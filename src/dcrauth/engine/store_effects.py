"""Performing what a renewal asks of its store; a store that has failed is tried before anything is registered."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from dcrauth.engine.effects import Add, Check, Delete, Get, GetMany, Put, Replace
from dcrauth.engine.foreign_errors import guarded, without_frames
from dcrauth.engine.store_health import health_of
from dcrauth.errors import StoreError, StoreUnavailable
from dcrauth.stores import Reading, Store, reading, reads_many

T = TypeVar("T")

StoreEffect = Get | GetMany | Add | Replace | Put | Delete | Check
"""What is asked of a store."""


def performed(effect: StoreEffect, store: Store, monotonic: Callable[[], float]) -> Any:
    """Do what *effect* says with *store*, and return its result; *monotonic* tells the time, in seconds."""
    match effect:
        case Get():
            return store.get(effect.key)
        case GetMany():
            return _many(store, effect.keys)
        case Check():
            return health_of(store).ensure(monotonic(), store.healthcheck)
        case _:
            return _written(effect, store)


def watched(store: Store, act: Callable[[], T]) -> T:
    """Do *act* with *store*; after a failure it is tried before anything is registered."""
    try:
        return guarded(StoreUnavailable, "store", act)
    except BaseException:
        health_of(store).doubt()
        raise


def _written(effect: Add | Replace | Put | Delete, store: Store) -> Any:
    match effect:
        case Add():
            return store.add(effect.key, effect.value)
        case Replace():
            return store.replace(effect.key, effect.value, expected=effect.expected)
        case Put():
            return store.put(effect.key, effect.value)
        case Delete():
            return store.delete(effect.key)


def _many(store: Store, keys: tuple[str, ...]) -> dict[str, Reading]:
    at_once = reads_many(store)
    found = at_once(keys) if at_once else {key: reading(partial(_one, store), key) for key in keys}
    return {key: _noted(store, found[key]) for key in keys}


def _one(store: Store, key: str) -> bytes | None:
    return guarded(StoreUnavailable, "store", lambda: store.get(key))


def _noted(store: Store, found: Reading) -> Reading:
    if isinstance(found, StoreError):
        health_of(store).doubt()
        without_frames(found)
    return found
