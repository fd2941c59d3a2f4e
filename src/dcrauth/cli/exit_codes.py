"""With which status the command ends, and what that means to a script."""

from enum import IntEnum

from dcrauth.engine.answer_errors import names_no_endpoint
from dcrauth.errors import ConfigurationError, DCRAuthError, Rejected, StoreError, Unavailable


class ExitCode(IntEnum):
    """The statuses of the command; 143 is that of ``dcrauth simulate`` after SIGTERM."""

    GOOD = 0
    """What was asked for is done."""
    REFUSED = 1
    """The server said no: to the statement, the client credentials, or what a demonstration has asked it for."""
    USAGE = 2
    """An argument, a setting, a file or an output will not do, another client is in the way, or an extra is missing.

    So it is where a server has no endpoint at the address of the settings: trying again does not help.
    """
    UNAVAILABLE = 3
    """No answer that settles anything; later it may be good."""
    STORE = 4
    """The store needs attention."""
    FAULT = 70
    """A fault of dcrauth itself, to be reported."""
    INTERRUPTED = 130
    """Ctrl-C."""


_CODES: tuple[tuple[type[BaseException], ExitCode], ...] = (
    (Rejected, ExitCode.REFUSED),
    (Unavailable, ExitCode.UNAVAILABLE),
    (StoreError, ExitCode.STORE),
    (ConfigurationError, ExitCode.USAGE),
    (ImportError, ExitCode.USAGE),
    (OSError, ExitCode.USAGE),
    (KeyboardInterrupt, ExitCode.INTERRUPTED),
)


def exit_code(reason: BaseException) -> ExitCode:
    """Return the status with which the command ends because of *reason*."""
    if isinstance(reason, DCRAuthError) and names_no_endpoint(reason):
        return ExitCode.USAGE
    return next((code for kind, code in _CODES if isinstance(reason, kind)), ExitCode.FAULT)
