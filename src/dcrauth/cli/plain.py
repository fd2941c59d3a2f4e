"""The command without the extra: the four that need nothing but the standard library to be told what to do."""

import argparse
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, NoReturn

from dcrauth._internal.version import __version__
from dcrauth.cli import arguments as given
from dcrauth.cli import simulate, transfer
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.output import write_line
from dcrauth.cli.settings import CommandSettings
from dcrauth.errors import ConfigurationError
from dcrauth.providers.adobe.environments import ENVIRONMENTS
from dcrauth.stores.by_url import KINDS

NEEDING_EXTRA = frozenset(
    {"check", "completion", "config", "device-info", "forget", "restore", "statement", "status", "store", "token"}
)


def run(arguments: Sequence[str]) -> int:
    """Run the command that *arguments* ask for, and return its exit status; where they name none, list all."""
    if not arguments:
        write_line(_parser().format_help().rstrip())
        return ExitCode.USAGE
    command = next((each for each in arguments if not each.startswith("-")), None)
    if command in NEEDING_EXTRA:
        raise ConfigurationError(f"dcrauth {command} needs an extra; run: pip install 'dcrauth[cli]'")
    options = vars(_parser().parse_args(arguments))
    del options["debug"]  # which `main` has seen to
    act: Callable[..., int] = options.pop("act")
    return act(**options)


class _Parser(argparse.ArgumentParser):
    """A parser that raises what is wrong as an error of ours."""

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(f"{message}; see {self.prog} --help")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="dcrauth", description="There are more commands with the extra: pip install 'dcrauth[cli]'")
    parser.add_argument("--version", action="version", version=f"dcrauth {__version__}")
    parser.add_argument("--debug", action="store_true", help="show tracebacks and the log; may stand anywhere")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands.add_parser("demo", help="show the life of a client, against the simulator or the real service"))
    _add_simulate(commands.add_parser("simulate", help="simulate Adobe Pass, or an OAuth server, on loopback"))
    _add_export(commands.add_parser("export", help="write the client credentials of a store to a new file"))
    _add_import(commands.add_parser("import", help="read client credentials from an exported file into a store"))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--software-statement", metavar="FILE", type=_text, help="run the safe part against the real service"
    )
    parser.add_argument("--environment", choices=tuple(ENVIRONMENTS), help="default: release-production")
    parser.add_argument("--service-provider", metavar="ID", type=_text, help="whose configuration to ask for")
    where = f"keep the client credentials there: {KINDS}; default: nowhere for long"
    parser.add_argument("--store", metavar="WHERE", type=_text, help=where)
    parser.set_defaults(act=_demo)


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any that is free)")
    parser.add_argument("--seconds", type=_seconds, help="stop after so many seconds (default: at Ctrl-C)")
    parser.add_argument("--settings", metavar="FILE", type=_text, help="TOML file that says what it is made with")
    parser.add_argument("--scenario", metavar="FILE", type=_text, help="TOML file that says what goes wrong, and when")
    parser.add_argument("--base-path", metavar="PATH", help="what all its paths begin with")
    parser.add_argument(
        "--authority", metavar="FILE", type=_text, help="speak HTTPS; the certificate to trust is written to this file"
    )
    parser.add_argument("--oauth", action="store_true", help="an OAuth authorization server instead of Adobe Pass")
    parser.add_argument(
        "--statement-file", metavar="FILE", type=_text, help="write its software statement there, for other commands"
    )
    _add_json(parser)
    parser.set_defaults(act=_simulate)


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_store(parser)
    parser.add_argument(
        "file", metavar="FILE", type=_text, help="a new file, which will hold secrets in plain text; - for a pipe"
    )
    parser.set_defaults(act=_export)


def _add_import(parser: argparse.ArgumentParser) -> None:
    _add_store(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace credentials that differ; they are kept aside")
    parser.add_argument("--client-id", metavar="ID", type=_text, help="one client; its secret is read from stdin")
    verify = "with --client-id: whether the server has to know the client (default: yes)"
    parser.add_argument("--verify", action=argparse.BooleanOptionalAction, default=True, help=verify)
    for name in ("software-statement", "environment", "base-url", "instance", "issuer", "token-endpoint", "scope"):
        parser.add_argument(f"--{name}", type=_text, help="of which identity the client is, with --client-id")
    parser.add_argument(
        "file", metavar="FILE", nargs="?", type=_text, help="what dcrauth export wrote; - for standard input"
    )
    parser.set_defaults(act=_import)


def _add_store(parser: argparse.ArgumentParser) -> None:
    where = f"{KINDS}; default: $DCRAUTH_STORE, then the profile, or else the user's data directory"
    parser.add_argument("--store", metavar="WHERE", type=_text, help=where)
    parser.add_argument("--prefix", type=_text, help="what the keys in a Redis begin with, if it is not dcrauth:")
    parser.add_argument(
        "--key-file", metavar="FILE", type=_text, action="append", help="the key of an encrypted store; may be repeated"
    )
    parser.add_argument("--profile", metavar="NAME", type=_text, help="which profile of config.toml to use")
    _add_json(parser)


def _add_json(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", action="store_true", dest="as_json", help="print JSON")


def _demo(**options: Any) -> int:
    from dcrauth.cli import demo  # noqa: PLC0415  # needs extras that other commands do not

    return demo.demo(**options)


def _simulate(as_json: bool, **options: Any) -> int:
    return simulate.simulate(simulate.Wanted(**options), as_json=as_json)


def _export(file: str, as_json: bool, **options: Any) -> int:
    return transfer.export_to(_settings(**options), file, as_json=as_json)


def _import(
    file: str | None, client_id: str | None, overwrite: bool, verify: bool, as_json: bool, **options: Any
) -> int:
    wanted = transfer.Import(file, client_id, overwrite=overwrite, verify=verify)
    return transfer.import_from(_settings(**options), wanted, as_json=as_json)


def _settings(
    profile: str | None, prefix: str | None, key_file: list[str] | None, **values: str | None
) -> CommandSettings:
    return CommandSettings(profile, values, prefix, tuple(key_file or ()))


def _text(argument: str) -> str:
    if not argument.strip():
        raise argparse.ArgumentTypeError(given.EMPTY)
    return argument


def _seconds(argument: str) -> float:
    with suppress(ValueError):
        return given.seconds(argument)
    raise argparse.ArgumentTypeError("it is not a number of seconds")
