"""The dashboard's process: `python -m ollamon.dashboard`, started by the supervisor."""

from gevent import monkey

# First of all: what is imported from here on takes gevent's sockets, threads and sleep.
monkey.patch_all()

import sys  # noqa: E402

# python-engineio would prefer the one, unmaintained since 2017, where it is installed; and it
# imports the other for a client that is not used, a third of the time until the page is ready.
for unwanted in ("geventwebsocket", "aiohttp"):
    sys.modules[unwanted] = None  # type: ignore[assignment]

from ollamon.dashboard.server import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
