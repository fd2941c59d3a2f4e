"""How often a thing is done that is done many times: often enough at each change, and far more often by night."""

import os


def often(times: int, by_night: int) -> int:
    """``times``, or ``by_night`` where ``DCRAUTH_SOAK`` is set, as ``.ci/nightly`` does."""
    return by_night if os.environ.get("DCRAUTH_SOAK") else times
