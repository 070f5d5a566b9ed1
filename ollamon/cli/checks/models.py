"""Loaded models: what a request waits for when a part of one does not fit the GPU."""

import http.client
import json
from collections.abc import Iterator, Mapping

from ollamon.cli.checks.finding import Finding, Severity, World
from ollamon.cli.fetch import get

TIMEOUT_S = 2.0
MAX_ANSWER = 1024 * 1024
MAX_NAMED = 3
_GB = 1e9


def check(world: World) -> Iterator[Finding]:
    """Ask for the loaded ones; say nothing when there is no answer, as the check of Ollama does."""
    config = world.loaded.config
    if config.demo.enabled or (models := loaded(config.ollama.url)) is None:
        return
    split = [sentence for model in models if (sentence := partly_on_cpu(model))]
    for sentence in split[:MAX_NAMED]:
        yield Finding("models", Severity.WARN, sentence, "ollama ps")
    if not split:
        yield Finding("models", Severity.OK, f"{len(models)} loaded, none split with the CPU")


def partly_on_cpu(model: Mapping[str, object]) -> str:
    """Return a sentence about a model of which the GPU holds a part, or "".

    One that is wholly on the CPU is that of a machine without a GPU, and no fault.
    """
    name, size, vram = (model.get(key) for key in ("name", "size", "size_vram"))
    if not isinstance(name, str) or type(size) is not int or type(vram) is not int:
        return ""
    if not 0 < vram < size:
        return ""
    shown = "".join(filter(str.isprintable, name))[:60]
    return (
        f"{shown}: {(size - vram) / _GB:.1f} of {size / _GB:.1f} GB are on the CPU, which makes it "
        "slow: a smaller context or quantization would fit"
    )


def loaded(url: str) -> list[Mapping[str, object]] | None:
    """Return the models that `GET /api/ps` lists; None when it lists none that can be read."""
    try:
        status, body = get(url, "/api/ps", timeout_s=TIMEOUT_S, most=MAX_ANSWER)
        document = json.loads(body) if status == 200 else None
    except (OSError, http.client.HTTPException, ValueError):
        return None
    models = document.get("models") if isinstance(document, dict) else None
    return [each for each in models if isinstance(each, dict)] if isinstance(models, list) else None
