"""Many who use one store at once: threads with an identity each, and forked children with a record each."""

from __future__ import annotations

import multiprocessing
import os
import threading

from adapters_tests.common.direct import Server
from dcrauth.errors import DCRAuthError
from dcrauth.stores import Store

CHILDREN = 4


def register_at_once(store: Store, count: int) -> None:
    """Have so many identities registered in *store*, each by a thread, all at once, and see that all were."""
    server, failures = Server(), list[DCRAuthError]()

    def use(number: int) -> None:
        try:
            server.source(store, instance=str(number)).token()
        except DCRAuthError as failure:
            failures.append(failure)

    threads = [threading.Thread(target=use, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(set(store.keys())) == 2 * count


def use_in_children(store: Store, times: int) -> None:
    """Have four forked children write and read at once, each a record of its own, and see that all went well."""
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=in_child, args=(store, number, times)) for number in range(CHILDREN)]
    for each in children:
        each.start()
    for each in children:
        each.join(30)
    assert [each.exitcode for each in children] == [0] * CHILDREN


def in_child(store: Store, number: int, times: int) -> None:
    """Write and read a record so many times, and end without a word."""
    for each in range(times):
        store.put(f"{number}", b"%d" % each)
        assert store.get(f"{number}") == b"%d" % each
    os._exit(0)
