"""The desktop or server that runs this program, in the words of `DeviceInfo`."""

import os
import sys
from pathlib import Path
from typing import Any


def this_machine() -> dict[str, Any]:
    """Return what can be told of this machine without starting a process, by `DeviceInfo`'s names."""
    system, release, machine = _host()
    return {
        "primary_hardware_type": "Desktop",
        "model": _first_line("/sys/devices/virtual/dmi/id/product_name") or machine or "unknown",
        "version": _first_line("/sys/devices/virtual/dmi/id/product_version") or "1",
        "os_version": release or "unknown",
        "connection_type": "LAN",
        **_operating_system(system),
    }


def _host() -> tuple[str, str, str]:
    """Operating system, its version, and machine."""
    if sys.platform == "win32":
        # Not from `platform`, which may start a process or wait for WMI there.
        windows = sys.getwindowsversion()
        release = f"{windows.major}.{windows.minor}.{windows.build}"
        return "Windows", release, os.environ.get("PROCESSOR_ARCHITECTURE", "")
    import platform  # noqa: PLC0415  # only servers and desktops that describe themselves need it

    # On macOS, platform.release() is the version of the kernel.
    return platform.system(), platform.mac_ver()[0] or platform.release(), platform.machine()


def _operating_system(system: str) -> dict[str, str]:
    """What comes nearest among the values that Adobe lists."""
    known = {
        "Darwin": {"os_name": "Mac OS", "os_family": "macOS", "os_vendor": "Apple"},
        "Windows": {"os_name": "Windows", "os_family": "Windows", "os_vendor": "Microsoft"},
    }
    if system.endswith("BSD"):
        return {"os_name": "OpenBSD", "os_family": "BSD"}
    return known.get(system, {"os_name": "Linux", "os_family": "Linux"})


def _first_line(path: str) -> str | None:
    """The text of a small system file, where there is one that may be read."""
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace").strip().partition("\n")[0] or None
    except OSError:
        return None
