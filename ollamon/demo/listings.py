"""What the simulated Ollama tells about its models, without I/O: tags, ps, show."""

import math
from datetime import UTC, datetime, timedelta

from ollamon.demo.answers import Document, timestamp
from ollamon.demo.memory import Resident
from ollamon.demo.models import SHELF, Model

VERSION = "0.33.0-demo"
"""Nobody should take the demo for a real Ollama."""

# What Ollama prints for a model that is kept for ever.
_NEVER = datetime(2319, 1, 1, tzinfo=UTC)
_TEMPLATE = "{{- range .Messages }}<|{{ .Role }}|>\n{{ .Content }}\n{{ end }}<|assistant|>\n"


def tags(installed: datetime) -> Document:
    """The answer of /api/tags; `installed` is when the models came."""
    return {"models": [_tag(model, installed) for model in SHELF]}


def _tag(model: Model, installed: datetime) -> Document:
    sizes = {"context_length": model.context, "embedding_length": model.embedding_length}
    return {
        "name": model.name,
        "model": model.name,
        "modified_at": timestamp(installed),
        "size": model.size,
        "digest": model.digest,
        "details": _details(model) | sizes,
        "capabilities": list(model.capabilities),
    }


def ps(residents: list[Resident], now: datetime, clock_s: float) -> Document:
    """The answer of /api/ps; `clock_s` is now on the clock of the residents."""
    return {"models": [_loaded(resident, now, clock_s) for resident in residents]}


def _loaded(resident: Resident, now: datetime, clock_s: float) -> Document:
    model = resident.model
    left_s = resident.leaves_at(clock_s) - clock_s
    expires = _NEVER if math.isinf(left_s) else now + timedelta(seconds=left_s)
    return {
        "name": model.name,
        "model": model.name,
        "size": model.memory,
        "digest": model.digest,
        "details": _details(model),
        "expires_at": timestamp(expires),
        "size_vram": model.vram,
        "context_length": model.context,
    }


def show(model: Model, installed: datetime) -> Document:
    """The answer of /api/show."""
    return {
        "modelfile": f'FROM {model.name}\nTEMPLATE """{_TEMPLATE}"""\n',
        "parameters": 'stop                           "<|user|>"',
        "template": _TEMPLATE,
        "details": _details(model),
        "model_info": _model_info(model),
        "tensors": [
            {
                "name": "token_embd.weight",
                "type": "Q4_K",
                "shape": [model.embedding_length, 128_256],
            }
        ],
        "capabilities": list(model.capabilities),
        "modified_at": timestamp(installed),
    }


def _details(model: Model) -> Document:
    return {
        "parent_model": "",
        "format": "gguf",
        "family": model.family,
        "families": [model.family],
        "parameter_size": model.parameter_size,
        "quantization_level": model.quantization,
    }


def _model_info(model: Model) -> Document:
    return {
        "general.architecture": model.family,
        "general.quantization_version": 2,
        f"{model.family}.context_length": model.context,
        f"{model.family}.embedding_length": model.embedding_length,
    }
