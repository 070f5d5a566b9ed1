"""The simulated Ollama's HTTP side: who may come in, and how refusals are worded."""

from collections.abc import Awaitable, Callable
from random import Random

from aiohttp import web

from ollamon import access
from ollamon.demo import openai
from ollamon.demo.bodies import RefusedError
from ollamon.demo.engine import Engine
from ollamon.demo.routes import Routes, json_answer, openai_answer

_MAX_BODY = 64 * 1024 * 1024
_STOP_WITHIN_S = 1.0
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def make_runner(engine: Engine, rng: Random, run_id: str) -> web.AppRunner:
    """Return the server, not yet listening; `run_id` marks its answers."""
    return web.AppRunner(
        _make_app(engine, rng, run_id),
        # A client who leaves cancels its handler, also while it waits, and the slot is free at
        # once.
        handler_cancellation=True,
        access_log=None,
        shutdown_timeout=_STOP_WITHIN_S,
    )


def _make_app(engine: Engine, rng: Random, run_id: str) -> web.Application:
    app = web.Application(
        middlewares=[_loopback_only, _in_ollamas_words], client_max_size=_MAX_BODY
    )
    Routes(engine, rng).add_to(app.router)

    async def sign(_: web.Request, response: web.StreamResponse) -> None:
        # Ollama sends no Server field.
        response.headers.pop("Server", None)
        response.headers["X-Ollamon-Run"] = run_id

    app.on_response_prepare.append(sign)
    return app


@web.middleware
async def _loopback_only(request: web.Request, handler: _Handler) -> web.StreamResponse:
    """Refuse foreign Host and Origin with an empty 403, as Ollama does."""
    origin = request.headers.get("Origin")
    if _is_local(request.host) and (origin is None or _is_local(origin.partition("://")[2])):
        return await handler(request)
    return web.Response(status=403)


def _is_local(authority: str) -> bool:
    split = access.split_authority(authority)
    return split is not None and split[0] in access.LOCAL_NAMES


@web.middleware
async def _in_ollamas_words(request: web.Request, handler: _Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except RefusedError as refused:
        return _refusal(request.path, refused)
    except web.HTTPNotFound:
        return web.Response(status=404, text="404 page not found")
    except web.HTTPMethodNotAllowed as error:
        allowed = {"Allow": ", ".join(sorted(error.allowed_methods))}
        return web.Response(status=405, text="405 method not allowed", headers=allowed)


def _refusal(path: str, refused: RefusedError) -> web.Response:
    if path.startswith("/v1/"):
        return openai_answer(openai.error(refused.status, refused.text), refused.status)
    return json_answer({"error": refused.text}, refused.status)
