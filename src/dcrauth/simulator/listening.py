"""Where a simulator listens, as Python or a file tells it."""

import re
from dataclasses import dataclass

from dcrauth.errors import ConfigurationError
from dcrauth.simulator.fields import check_fields

_BASE_PATH = re.compile(r"(/[\w.~-]+)*/*", re.ASCII)
_HOST_NAME = re.compile(r"[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")


@dataclass(frozen=True, kw_only=True)
class Listening:
    """What is said of it; for the parameters see `Serving`.

    Raises:
        ConfigurationError: one of these is what it cannot be.
    """

    host: str = "127.0.0.1"
    port: int = 0
    base_path: str = ""
    names: tuple[str, ...] = ()
    tls: bool = False

    def __post_init__(self) -> None:
        check_fields(self, "the simulator")
        if not _BASE_PATH.fullmatch(self.base_path):
            raise ConfigurationError(
                f"{self.base_path!r} is no base path: it is empty, or begins with / and has no query"
            )
        for name in self.names:
            if not _HOST_NAME.fullmatch(name):
                raise ConfigurationError(f"names has {name!r}, which is no host name, such as adobe.test")
