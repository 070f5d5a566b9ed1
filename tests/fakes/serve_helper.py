"""A helper whose only source is a given powermetrics; until its stdin ends.

python serve_helper.py PORT PROGRAM
"""

import sys
import threading
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from ollamon.helper.collectors.powermetrics import Powermetrics
from ollamon.helper.follower import Follower
from ollamon.helper.sampler import Sampler, this_machine
from ollamon.helper.server import HelperServer

source = Follower(Powermetrics(2.0, "arm64", (), sys.argv[2]))
sampler, stop = Sampler([source], 2.0, this_machine()), threading.Event()
with HelperServer(int(sys.argv[1]), sampler) as server:
    sampler.start(stop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    sys.stdin.read()
    server.shutdown()
    stop.set()
    sampler.join()
