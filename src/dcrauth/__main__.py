"""``python -m dcrauth`` is the ``dcrauth`` command."""

import sys

from dcrauth.cli import main

if __name__ == "__main__":
    sys.exit(main())
