"""The helper's main thread: settings, sources, server, and the way out.

As a child its section comes on stdin, whose end means leave; below sudo (`--lifeline`) it tells on
stdout how it fares. By hand (`--by-hand`, or scripts/mac_metrics_helper.py) stdin is not read and
Ctrl-C stops it.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

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


def run(arguments: Sequence[str], counters: Mapping[str, int], root: str) -> int:
    """Run until told to stop; return the exit code.

    0: stopped. 78: the section or an argument cannot be used. 98: the address is in use.

    Args:
        arguments: Of the command line.
        counters: As `privilege.give_up_root` returns them.
        root: Where the kernel shows its devices.
    """
    stop = threading.Event()
    options = _options(arguments)
    notifier = Notifier.on_stdout() if options.lifeline else Notifier.from_environment()
    try:
        given, chosen = _begin(options, stop)
    except OllamonError as error:
        sys.stderr.write("".join(f"{line}\n" for line in str(error).splitlines()))
        return error.exit_code
    _listen_to((signal.SIGTERM, signal.SIGINT) if given is None else (signal.SIGTERM,), stop)
    os.nice(_NICENESS)
    here = this_machine()
    sources = for_system(here, chosen.interval_s, counters, Path(root))
    sampler = Sampler(sources, chosen.interval_s, here)
    return _serve(chosen, sampler, "" if given is None else given.run_id, notifier, stop)


def _begin(options: argparse.Namespace, stop: threading.Event) -> tuple[Handover | None, Settings]:
    if options.by_hand:
        own = {"listen": options.listen, "interval": options.interval}
        table = {key: value for key, value in own.items() if value is not None}
        return None, settings.parse({"helper": table})
    # The supervisor decides what Ctrl-C means; the terminal sends it to all of us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    given = handover.receive()
    handover.watch_lifeline(stop.set, grace_s=_LIFELINE_GRACE_S)
    return given, settings.parse(given.section)


def _listen_to(numbers: Sequence[int], stop: threading.Event) -> None:
    """Set `stop` at a signal, in a thread of its own.

    A handler interrupts the main thread anywhere, in `stop.wait` or another handler too, where
    `stop.set` would wait for ever: below sudo SIGTERM comes twice.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    for number in numbers:
        signal.signal(number, lambda *_: None)

    def wait() -> None:
        os.read(reading, 1)
        stop.set()

    threading.Thread(target=wait, name="signals", daemon=True).start()


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="ollamon helper", description=__doc__)
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--by-hand", action="store_true", help="do not read stdin")
    how.add_argument("--lifeline", action="store_true", help="tell on stdout how it fares")
    parser.add_argument("--listen", help='by hand: default "127.0.0.1:8002"')
    parser.add_argument("--interval", help='by hand: default "5s"')
    options = parser.parse_args(arguments)
    if not options.by_hand and (options.listen or options.interval):
        parser.error("--listen and --interval need --by-hand")
    return options


def _serve(
    chosen: Settings, sampler: Sampler, run_id: str, notifier: Notifier, stop: threading.Event
) -> int:
    try:
        server = HelperServer(chosen.port, sampler, run_id, notifier.alive)
    except OSError as error:
        sys.stderr.write(
            f"cannot listen on {settings.HOST}:{chosen.port}: {os.strerror(error.errno or 0)}\n"
        )
        return ListenError.exit_code
    sampler.start(stop)
    threading.Thread(target=server.serve_forever, args=(_POLL_S,), daemon=True).start()
    sys.stderr.write(f"listening on http://{settings.HOST}:{server.port}/metrics\n")
    notifier.ready()
    _wait(sampler, notifier, stop)
    sampler.join()
    # The server ends with the process; asking it to would take as long as its poll.
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
