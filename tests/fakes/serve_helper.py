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


def serve(port, sources, interval_s):
    """Serve what these sources say, until stdin ends."""
    sampler, stop = Sampler(sources, interval_s, this_machine()), threading.Event()
    with HelperServer(port, sampler) as server:
        sampler.start(stop)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        sys.stdin.read()
        server.shutdown()
        stop.set()
        sampler.join()


if __name__ == "__main__":
    program = Powermetrics(2.0, "arm64", (), sys.argv[2])
    serve(int(sys.argv[1]), [Follower(program)], 2.0)
