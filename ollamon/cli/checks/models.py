"""Loaded models: what a request waits for when a part of one does not fit the GPU."""

from collections.abc import Iterator, Mapping
from typing import Any

from ollamon.cli.checks.finding import Finding, fine, warning
from ollamon.cli.checks.sight import Sight
from ollamon.cli.checks.world import World
from ollamon.config.model import OllamaMode

MAX_NAMED = 3
_GB = 1e9
ON_CPU = warning(
    "models-on-cpu",
    "A model is partly on the CPU, which makes it many times slower than wholly on the GPU.",
    "A smaller context, fewer parallel requests, or a smaller quantization.",
)
KINDS = (ON_CPU,)


def check(world: World) -> Iterator[Finding]:
    """Ask for the loaded ones; say nothing when there is no answer, as the check of Ollama does."""
    config = world.loaded.config
    if config.demo.enabled or config.ollama.mode is OllamaMode.OFF:
        return
    models = loaded(world.sight, config.ollama.url)
    if models is None:
        return
    split = [sentence for model in models if (sentence := partly_on_cpu(model))]
    for sentence in split[:MAX_NAMED]:
        yield ON_CPU.found(sentence, "ollama ps")
    if not split:
        yield fine("models", f"{len(models)} loaded, none split with the CPU")


def partly_on_cpu(model: Mapping[str, object]) -> str:
    """Return a sentence about a model of which the GPU holds a part, or "".

    One that is wholly on the CPU is that of a machine without a GPU, and no fault.
    """
    name, (size, vram) = name_of(model), (model.get(key) for key in ("size", "size_vram"))
    if not name or type(size) is not int or type(vram) is not int:
        return ""
    if not 0 < vram < size:
        return ""
    return (
        f"{name}: {(size - vram) / _GB:.1f} of {size / _GB:.1f} GB are on the CPU, which makes it "
        "slow: a smaller context or quantization would fit"
    )


def name_of(model: Mapping[str, object]) -> str:
    """Return a name that can be shown, "" when there is none."""
    name = model.get("name")
    return "".join(filter(str.isprintable, name))[:60] if isinstance(name, str) else ""


def loaded(sight: Sight, url: str) -> list[Mapping[str, Any]] | None:
    """Return the models that `GET /api/ps` lists; None when it lists none that can be read."""
    models = (sight.document(url, "/api/ps") or {}).get("models")
    return [each for each in models if isinstance(each, dict)] if isinstance(models, list) else None
