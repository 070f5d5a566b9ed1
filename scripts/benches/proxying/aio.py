"""The usual streaming proxy of some 40 lines, on aiohttp and uvloop: what ours is compared with.

python -m scripts.benches.proxying.aio FD UPSTREAM_PORT
"""

import asyncio
import contextlib
import socket
import sys
from collections.abc import AsyncIterator

import aiohttp
import uvloop
from aiohttp import web

_HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host"}
_SESSION = web.AppKey("session", aiohttp.ClientSession)


def kept(headers: "aiohttp.typedefs.CIMultiDictProxy[str]") -> list[tuple[str, str]]:
    return [(name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP]


async def relay(request: web.Request) -> web.StreamResponse:
    url = f"http://127.0.0.1:{sys.argv[2]}{request.raw_path}"
    body = request.content if request.body_exists else None
    headers = kept(request.headers)
    session = request.app[_SESSION]
    async with session.request(request.method, url, headers=headers, data=body) as answer:
        out = web.StreamResponse(status=answer.status)
        for name, value in kept(answer.headers):
            out.headers.add(name, value)
        await out.prepare(request)
        with contextlib.suppress(ConnectionError):
            async for piece in answer.content.iter_any():
                await out.write(piece)
            await out.write_eof()
    return out


async def with_session(app: web.Application) -> AsyncIterator[None]:
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=None)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, auto_decompress=False
    ) as session:
        app[_SESSION] = session
        yield


async def main() -> None:
    app = web.Application(client_max_size=1 << 40)
    app.router.add_route("*", "/{path:.*}", relay)
    app.cleanup_ctx.append(with_session)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    await runner.setup()
    await web.SockSite(runner, socket.socket(fileno=int(sys.argv[1])), backlog=8192).start()
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
