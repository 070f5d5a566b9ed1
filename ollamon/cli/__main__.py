"""`python -m ollamon.cli` is `ollamon`."""

import sys

from ollamon.cli import main

if __name__ == "__main__":
    sys.exit(main())
