"""Which variables of an Ollama hide problems, and why, without I/O."""

import re
from collections.abc import Callable, Iterator, Mapping

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
LONG_LOAD_S = 600.0
LONG_QUEUE = 1024
MANY_SLOTS = 4
LONG_CONTEXT = 65536


def judge(variables: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Return the name and one sentence for each variable that hides something."""
    for name, say in _RULES.items():
        if (text := variables.get(name, "").strip().strip("\"'")) and (sentence := say(text)):
            yield name, sentence


def debug(variables: Mapping[str, str]) -> Iterator[str]:
    """Return the variables that make Ollama write requests, and so prompts, into files."""
    for name in ("OLLAMA_DEBUG", "OLLAMA_DEBUG_LOG_REQUESTS"):
        if variables.get(name, "").strip().strip("\"'").lower() not in ("", "0", "false", "f"):
            yield name


def origins(variables: Mapping[str, str]) -> str:
    """Return OLLAMA_ORIGINS when it lets every web page in, else ""."""
    text = variables.get("OLLAMA_ORIGINS", "")
    parts = [part.strip().strip("\"'") for part in text.split(",")]
    return text if any(part in ("*", "http://*", "https://*") for part in parts) else ""


def seconds_of(text: str) -> float | None:
    """Read a duration as Ollama does: Go's words, or a number of seconds; None when it is none.

    Ollama takes a negative one as for ever.
    """
    if re.fullmatch(r"-?\d+", text):
        return float(text)
    sign, rest = (-1.0, text[1:]) if text.startswith("-") else (1.0, text)
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", rest)
    if not parts or "".join(number + unit for number, unit in parts) != rest:
        return None
    return sign * sum(float(number) * _UNITS[unit] for number, unit in parts)


def _keep_alive(text: str) -> str:
    seconds = seconds_of(text)
    if seconds == 0:
        return "a model leaves after each request, and the next one waits for it to load again"
    if seconds is not None and seconds < 0:
        return "a model stays for ever: memory that another one needs is never given back"
    return ""


def _load_timeout(text: str) -> str:
    seconds = seconds_of(text)
    if seconds is not None and (seconds <= 0 or seconds > LONG_LOAD_S):
        return "a load that hangs is given up late or never; requests wait without a word"
    return ""


def _over(limit: int, sentence: str) -> Callable[[str], str]:
    def say(text: str) -> str:
        return sentence if text.isdecimal() and int(text) >= limit else ""

    return say


def _loaded(text: str) -> str:
    return "two models that are used in turn push each other out, each time" if text == "1" else ""


def _library(text: str) -> str:
    return "the GPU is not used" if "cpu" in text.lower() else ""


def _devices(text: str) -> str:
    return "no GPU is visible to it" if text == "-1" else ""


_RULES: Mapping[str, Callable[[str], str]] = {
    "OLLAMA_KEEP_ALIVE": _keep_alive,
    "OLLAMA_LOAD_TIMEOUT": _load_timeout,
    "OLLAMA_MAX_QUEUE": _over(
        LONG_QUEUE, "an overload shows as silence: requests wait instead of getting a 503"
    ),
    "OLLAMA_NUM_PARALLEL": _over(
        MANY_SLOTS + 1, "each model takes the memory of so many contexts, and may not fit the GPU"
    ),
    "OLLAMA_CONTEXT_LENGTH": _over(
        LONG_CONTEXT, "each model takes the memory of so long a context, and may not fit the GPU"
    ),
    "OLLAMA_GPU_OVERHEAD": _over(1024**3, "so many bytes of each GPU are left unused"),
    "OLLAMA_MAX_LOADED_MODELS": _loaded,
    "OLLAMA_LLM_LIBRARY": _library,
    **dict.fromkeys(
        (
            *("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"),
            "GGML_VK_VISIBLE_DEVICES",
        ),
        _devices,
    ),
}
