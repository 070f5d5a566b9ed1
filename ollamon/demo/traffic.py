"""The demo's virtual users: they call the proxy as any client does, and wait when it is away."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from random import Random

import aiohttp

from ollamon import __version__
from ollamon.demo.habits import USERS, Errand, Habit

_LOG = logging.getLogger(__name__)
_LONGEST_S = 180.0
_CONNECT_S = 5.0
_FIRST_WAIT_S = 0.5
_LONGEST_WAIT_S = 5.0

Sleep = Callable[[float], Awaitable[None]]


class Traffic:
    """A few users of one proxy.

    Args:
        base_url: Where the proxy listens.
        sleep: Waits some seconds; what tests shorten.

    Attributes:
        done: Errands that came to an end, refused ones included.
        is_away: The proxy did not answer the last errand.
    """

    def __init__(self, base_url: str, rng: Random, sleep: Sleep = asyncio.sleep) -> None:
        self._base_url = base_url
        self._rng = rng
        self._sleep = sleep
        self.done = 0
        self.is_away = False

    async def run(self, users: dict[str, Habit] = USERS) -> None:
        """Live until cancelled; each user has one request at a time, so the load is bounded."""
        timeout = aiohttp.ClientTimeout(total=_LONGEST_S, sock_connect=_CONNECT_S)
        async with (
            aiohttp.ClientSession(
                timeout=timeout,
                # Nothing leaves this machine: no proxy of the environment, no redirect, no cookie.
                trust_env=False,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": f"ollamon-demo/{__version__}"},
            ) as session,
            asyncio.TaskGroup() as group,
        ):
            for place, habit in enumerate(users.values()):
                # A source for each, so that one user's day does not depend on another's answers.
                rng = Random(self._rng.random())  # noqa: S311  nothing secret is drawn
                group.create_task(self._live(session, habit, rng, 0.4 * place))

    async def _live(
        self, session: aiohttp.ClientSession, habit: Habit, rng: Random, first_pause_s: float
    ) -> None:
        await self._sleep(first_pause_s)
        wait_s = _FIRST_WAIT_S
        while True:
            errand = habit(rng)
            try:
                await self._run_errand(session, errand)
            except (aiohttp.ClientConnectorError, aiohttp.ServerTimeoutError):
                self._miss()
                await self._sleep(wait_s)
                wait_s = min(_LONGEST_WAIT_S, wait_s * 2)
                continue
            except (aiohttp.ClientError, TimeoutError) as error:
                # A stream that was cut: the proxy restarts, or stops.
                _LOG.info("%s ended early: %s", errand.path, error)
            self.done += 1
            self.is_away = False
            wait_s = _FIRST_WAIT_S
            await self._sleep(errand.pause_s)

    def _miss(self) -> None:
        if not self.is_away:
            _LOG.warning("cannot reach the proxy at %s: traffic waits for it", self._base_url)
        self.is_away = True

    async def _run_errand(self, session: aiohttp.ClientSession, errand: Errand) -> None:
        url = self._base_url + errand.path
        try:
            async with (
                asyncio.timeout(errand.patience_s),
                session.request(
                    errand.method, url, json=errand.body, allow_redirects=False
                ) as answer,
            ):
                await answer.read()
        except TimeoutError:
            if errand.patience_s is None:
                raise
            # The user has left: the connection is closed, and the model is free again.
