"""The helper on a tree of files in the place of /sys: python root_helper.py TREE [words]."""

import sys

from ollamon.helper.__main__ import main

sys.exit(main(sys.argv[2:], sys.argv[1]))
