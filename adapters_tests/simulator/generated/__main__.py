"""Write the simulator's description down, and make a client of it."""

from __future__ import annotations

import subprocess
from pathlib import Path

from adapters_tests.simulator.generated import WRITTEN, described

COMMAND = ("openapi-python-client", "generate", "--meta", "none", "--overwrite")

if __name__ == "__main__":
    Path(WRITTEN).write_text(described(), encoding="utf-8")
    client = Path(WRITTEN).with_name("adobe_client")
    subprocess.run([*COMMAND, "--path", str(WRITTEN), "--output-path", str(client)], check=True)
