#!/usr/bin/env python3
"""Starts the hardware helper by hand: `sudo python3 mac_metrics_helper.py` (it works without sudo).

It answers http://127.0.0.1:8002/metrics until Ctrl-C.
"""

import pathlib
import sys

INTERVAL = "5s"  # from 1s to 60s

# The python3 of macOS itself is older; anything else would be a long and dark traceback.
if sys.version_info < (3, 11):  # noqa: UP036
    sys.exit("cannot start: ollamon needs Python 3.11 or newer, this is " + sys.version.split()[0])

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

from ollamon.helper.__main__ import main  # noqa: E402

sys.exit(main(["--by-hand", "--interval", INTERVAL, *sys.argv[1:]]))
