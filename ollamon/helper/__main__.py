"""Runs the helper: as a child of the supervisor, or by hand.

As a child it is started without arguments: its section comes on stdin, whose end means leave. By
hand (`--by-hand`, or scripts/mac_metrics_helper.py) stdin is not read and Ctrl-C stops it.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence

from ollamon import handover
from ollamon.errors import ListenError, OllamonError
from ollamon.handover import Handover, Notifier
from ollamon.helper import settings
from ollamon.helper.collectors import for_system
from ollamon.helper.sampler import Sampler, this_machine
from ollamon.helper.server import HelperServer
from ollamon.helper.settings import Settings

_NICENESS = 10
_LIFELINE_GRACE_S = 1.0
_POLL_S = 0.25
_STATUS_EVERY_S = 5.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; return the exit code.

    0: stopped. 78: the section or an argument cannot be used. 98: the address is in use.
    """
    stop = threading.Event()
    try:
        given, chosen = _begin(sys.argv[1:] if arguments is None else arguments, stop)
    except OllamonError as error:
        sys.stderr.write("".join(f"{line}\n" for line in str(error).splitlines()))
        return error.exit_code
    for number in (signal.SIGTERM, signal.SIGINT) if given is None else (signal.SIGTERM,):
        signal.signal(number, lambda *_: stop.set())
    os.nice(_NICENESS)
    return _serve(chosen, "" if given is None else given.run_id, stop)


def _begin(arguments: Sequence[str], stop: threading.Event) -> tuple[Handover | None, Settings]:
    options = _options(arguments)
    if options.by_hand:
        own = {"listen": options.listen, "interval": options.interval}
        table = {key: value for key, value in own.items() if value is not None}
        return None, settings.parse({"helper": table})
    # The supervisor decides what Ctrl-C means; the terminal sends it to all of us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given = handover.receive()
    handover.watch_lifeline(stop.set, grace_s=_LIFELINE_GRACE_S)
    return given, settings.parse(given.section)


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ollamon helper", description=__doc__)
    parser.add_argument("--by-hand", action="store_true", help="do not read stdin")
    parser.add_argument("--listen", help='by hand: default "127.0.0.1:8002"')
    parser.add_argument("--interval", help='by hand: default "5s"')
    options = parser.parse_args(arguments)
    if not options.by_hand and (options.listen or options.interval):
        parser.error("--listen and --interval need --by-hand")
    return options


def _serve(chosen: Settings, run_id: str, stop: threading.Event) -> int:
    notifier = Notifier.from_environment()
    here = this_machine()
    sampler = Sampler(for_system(here, chosen.interval_s), chosen.interval_s, here)
    try:
        server = HelperServer(chosen.port, sampler, run_id, notifier.alive)
    except OSError as error:
        sys.stderr.write(
            f"cannot listen on {settings.HOST}:{chosen.port}: {os.strerror(error.errno or 0)}\n"
        )
        return ListenError.exit_code
    with server:
        sampler.start(stop)
        threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True).start()
        sys.stderr.write(f"listening on http://{settings.HOST}:{server.port}/metrics\n")
        notifier.ready()
        _wait(sampler, notifier, stop)
        server.shutdown()
        sampler.join()
    return 0


def _wait(sampler: Sampler, notifier: Notifier, stop: threading.Event) -> None:
    """Wait for `stop`, and tell how the sources fare when that changes."""
    told = ""
    while not stop.wait(_STATUS_EVERY_S if told else 1.0):
        summary = sampler.summary()
        if summary != told:
            told = summary
            notifier.status(summary)
            sys.stderr.write(f"{summary}\n")


if __name__ == "__main__":
    sys.exit(main())
