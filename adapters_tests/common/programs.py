"""Code that runs in a Python of its own; imports nothing but the standard library."""

from __future__ import annotations

import subprocess
import sys

LIBRARIES = ("requests", "httpx", "httpx2", "aiohttp")
BLOCK = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def run(code: str, *blocked: str) -> subprocess.CompletedProcess[str]:
    """Run *code* in a Python of its own in which the *blocked* modules are not to be had."""
    program = BLOCK.format(names=blocked) + code
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
