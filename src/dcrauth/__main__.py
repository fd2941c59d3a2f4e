"""``python -m dcrauth`` is the ``dcrauth`` command."""

import sys

from dcrauth.cli.commands import main

if __name__ == "__main__":
    sys.exit(main())
