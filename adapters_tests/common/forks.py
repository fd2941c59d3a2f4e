"""A forked child that does something and ends, whatever comes."""

from __future__ import annotations

import signal
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager

from dcrauth.testing import _races

PATIENCE = 60


def forked(work: Callable[[], object], within: int = PATIENCE) -> AbstractContextManager[None]:
    """Do *work* in a forked child meanwhile; at the end, wait for it and see that it went well.

    Parameters:
        within: after how many seconds the child is ended, should it wait for ever.
    """

    def bounded() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(within)
        try:
            work()
        except BaseException:
            traceback.print_exc()
            raise

    return _races.forked(bounded)  # type: ignore[no-any-return]
