"""``dcrauth completion``: scripts for shells, which are Typer's own, and what they ask the command for."""

import sys
from collections.abc import Sequence
from typing import Any

from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script

from dcrauth.cli.output import output

VARIABLE = "_DCRAUTH_COMPLETE"
"""By this variable the scripts ask for completions."""


def script(shell: str) -> str:
    """Return the script for a shell: bash, zsh or fish."""
    return get_completion_script(prog_name="dcrauth", complete_var=VARIABLE, shell=shell)


def answer(command: Any, arguments: Sequence[str]) -> None:
    """Answer a script that asks what may come next; it ends the command if it does."""
    completion_init()
    with output():
        command.main(list(arguments), prog_name="dcrauth", complete_var=VARIABLE)
    sys.exit(0)
