"""The ``dcrauth`` command: try the library out, and run the simulator on its own."""

import argparse
import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

from dcrauth.adobe import ENVIRONMENTS


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 if all went well.

    Parameters:
        arguments: what follows the command's name; by default those of this process.
    """
    options = _parser().parse_args(arguments)
    try:
        status: int = options.run(options)
    except ImportError as missing:
        print(missing, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dcrauth", description=__doc__)
    parser.add_argument("--version", action="version", version=f"dcrauth {version('dcrauth')}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands.add_parser("demo", help="show the life of a client, against the simulator or the real service"))
    _add_simulate(commands.add_parser("simulate", help="run the simulator of Adobe Pass on loopback"))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--software-statement", metavar="FILE", help="run the safe part against the real service")
    parser.add_argument("--environment", choices=tuple(ENVIRONMENTS), default="release-production")
    parser.add_argument("--service-provider", metavar="ID", help="whose configuration to ask for")
    parser.add_argument("--store", metavar="DIRECTORY", help="keep the client credentials there")
    parser.set_defaults(run=_demo)


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any that is free)")
    parser.add_argument("--seconds", type=float, help="stop after so many seconds (default: at Ctrl-C)")
    parser.set_defaults(run=_simulate)


def _demo(options: argparse.Namespace) -> int:
    from dcrauth import demo  # noqa: PLC0415  # needs extras that other commands do not

    if options.software_statement is None:
        return demo.against_simulator()
    if options.service_provider is None:
        print("dcrauth demo: --service-provider is needed along with --software-statement", file=sys.stderr)
        return 2
    return demo.against_service(
        options.software_statement, options.environment, options.service_provider, options.store
    )


def _simulate(options: argparse.Namespace) -> int:
    from dcrauth.simulator import Simulator  # noqa: PLC0415  # needs an extra that other commands do not

    with Simulator(port=options.port) as adobe:
        print(f"base_url            {adobe.url}")
        print(f"software_statement  {adobe.software_statement}", flush=True)
        end = time.monotonic() + (options.seconds if options.seconds is not None else float("inf"))
        while time.monotonic() < end:
            time.sleep(min(1.0, max(0.0, end - time.monotonic())))
    return 0
