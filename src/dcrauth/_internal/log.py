"""The log ``dcrauth``: whatever a program has made of logging, nothing that is said here stops anything else."""

import logging
import sys
import traceback
from contextlib import suppress
from typing import Any

logger = logging.getLogger("dcrauth")
logger.addHandler(logging.NullHandler())  # a program that has set up no logging is told nothing on stderr


def log(level: int, text: str, *words: object, **more: Any) -> None:
    """Say *text* with its *words* to those who read the log; what a factory, filter or handler raises is only shown.

    Parameters:
        level: how important it is, as `logging` has it.
        more: what `logging.Logger.log` takes beside that, such as ``extra``.
    """
    try:
        logger.log(level, text, *words, **more)
    except Exception:  # what the application has got wrong is no reason for a request to fail
        with suppress(Exception):  # nor that nothing can be written on stderr
            print(traceback.format_exc(), end="", file=sys.stderr or _Nowhere())  # as logging does


class _Nowhere:
    """What is written to where there is no stderr, as in a program without a console."""

    def write(self, text: str) -> None:
        """Drop *text*."""
