"""What a figure was measured on."""

from __future__ import annotations

import datetime as dt
import os
import platform
from importlib.metadata import version


def described(*packages: str) -> str:
    """Return machine, date and the versions of *packages*, on one line each."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    today = dt.datetime.now(tz=dt.UTC).date()
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return (
        f"{platform.system()} {platform.machine()}, {cores} cores, "
        f"{platform.python_implementation()} {platform.python_version()}, {today}\n{versions}"
    )
