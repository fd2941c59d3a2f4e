"""The ``dcrauth`` command: try the library out, run the simulator on its own, move client credentials."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from dcrauth._version import __version__
from dcrauth.adobe import ENVIRONMENTS
from dcrauth.errors import ConfigurationError, DCRAuthError
from dcrauth.stores import Store
from dcrauth.stores.file import FileStore
from dcrauth.transfer import export_credentials, import_credentials


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
    except DCRAuthError as error:
        print(f"dcrauth: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="dcrauth", description=__doc__)
    parser.add_argument("--version", action="version", version=f"dcrauth {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands.add_parser("demo", help="show the life of a client, against the simulator or the real service"))
    _add_simulate(commands.add_parser("simulate", help="run the simulator of Adobe Pass on loopback"))
    _add_export(commands.add_parser("export", help="write the client credentials of a store to a new file"))
    _add_import(commands.add_parser("import", help="read client credentials from an exported file into a store"))
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


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_store(parser)
    parser.add_argument(
        "file", metavar="FILE", help="a file that does not exist yet; it will hold secrets in plain text"
    )
    parser.set_defaults(run=_export)


def _add_import(parser: argparse.ArgumentParser) -> None:
    _add_store(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace credentials that differ; they are kept aside")
    parser.add_argument("file", metavar="FILE", help="what dcrauth export wrote")
    parser.set_defaults(run=_import)


def _add_store(parser: argparse.ArgumentParser) -> None:
    where = "a directory, sqlite:FILE or redis://…; default: $DCRAUTH_STORE, or else the user's data directory"
    parser.add_argument("--store", metavar="WHERE", help=where)
    parser.add_argument(
        "--key-file", metavar="FILE", action="append", help="the key of an encrypted store; may be repeated"
    )


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


def _export(options: argparse.Namespace) -> int:
    count = export_credentials(_store(options), options.file)
    print(f"{count} client credentials written to {options.file}, in plain text")
    return 0


def _import(options: argparse.Namespace) -> int:
    done = import_credentials(_store(options), options.file, overwrite=options.overwrite)
    print(f"{done.written} written, {done.present} already there, {done.kept} different ones kept as they are")
    return 0


def _store(options: argparse.Namespace) -> Store:
    if options.store and "@" in options.store.partition("://")[2]:
        raise ConfigurationError("A password in an argument can be seen by others: put the URL into $DCRAUTH_STORE")
    store = _store_at(options.store or os.environ.get("DCRAUTH_STORE"))
    if not options.key_file:
        return store
    from dcrauth.stores.encrypted import EncryptedStore  # noqa: PLC0415  # needs an extra
    from dcrauth.stores.keys import key_from_file  # noqa: PLC0415

    return EncryptedStore(store, keys=[key_from_file(path) for path in options.key_file])


def _store_at(where: str | None) -> Store:
    if where and where.startswith(("redis://", "rediss://", "unix://")):
        from dcrauth.stores.redis import RedisStore  # noqa: PLC0415  # needs an extra

        return RedisStore(where)
    if where and where.startswith("sqlite:"):
        from dcrauth.stores.sqlite import SQLiteStore  # noqa: PLC0415  # needs sqlite3, which some Pythons lack

        return SQLiteStore(where.removeprefix("sqlite:"))
    return FileStore(where)
