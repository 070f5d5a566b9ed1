"""The models on the demo's shelf, without I/O."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

GB = 10**9


class Capability(StrEnum):
    """What a model can do, in Ollama's words."""

    COMPLETION = "completion"
    THINKING = "thinking"
    EMBEDDING = "embedding"


@dataclass(frozen=True, slots=True)
class Model:
    """A model as Ollama describes it, and how fast it is.

    Attributes:
        size: Bytes on disk.
        memory: Bytes when loaded.
        vram: The part of them on the GPU; less than `memory` when it does not fit.
        context: Context length in tokens.
        load_s: How long loading takes.
        prompt_rate: Prompt tokens read in a second.
        decode_rate: Tokens generated in a second.
    """

    name: str
    family: str
    parameter_size: str
    quantization: str
    size: int
    memory: int
    vram: int
    context: int
    embedding_length: int
    load_s: float
    prompt_rate: float
    decode_rate: float
    capabilities: tuple[Capability, ...] = (Capability.COMPLETION,)

    @property
    def digest(self) -> str:
        """A stable made-up digest."""
        return hashlib.sha256(self.name.encode()).hexdigest()

    @property
    def thinks(self) -> bool:
        """Say whether it thinks before it answers."""
        return Capability.THINKING in self.capabilities

    @property
    def embeds(self) -> bool:
        """Say whether it makes embeddings and nothing else."""
        return Capability.EMBEDDING in self.capabilities


# Speeds as on a laptop with 12 GB for the GPU; gemma3 does not fit whole and is slow for it.
SHELF = (
    Model(
        name="llama3.2:3b",
        family="llama",
        parameter_size="3.2B",
        quantization="Q4_K_M",
        size=2_019_393_189,
        memory=int(2.8 * GB),
        vram=int(2.8 * GB),
        context=4096,
        embedding_length=3072,
        load_s=1.2,
        prompt_rate=1500.0,
        decode_rate=42.0,
    ),
    Model(
        name="qwen3:8b",
        family="qwen3",
        parameter_size="8.2B",
        quantization="Q4_K_M",
        size=5_225_388_164,
        memory=int(6.1 * GB),
        vram=int(6.1 * GB),
        context=8192,
        embedding_length=4096,
        load_s=2.6,
        prompt_rate=620.0,
        decode_rate=21.0,
        capabilities=(Capability.COMPLETION, Capability.THINKING),
    ),
    Model(
        name="gemma3:12b",
        family="gemma3",
        parameter_size="12.2B",
        quantization="Q4_K_M",
        size=8_149_190_253,
        memory=int(11.5 * GB),
        vram=int(8.6 * GB),
        context=8192,
        embedding_length=3840,
        load_s=4.4,
        prompt_rate=210.0,
        decode_rate=9.5,
    ),
    Model(
        name="nomic-embed-text:latest",
        family="nomic-bert",
        parameter_size="137M",
        quantization="F16",
        size=274_302_450,
        memory=int(0.6 * GB),
        vram=int(0.6 * GB),
        context=2048,
        embedding_length=768,
        load_s=0.5,
        prompt_rate=6000.0,
        decode_rate=1.0,
        capabilities=(Capability.EMBEDDING,),
    ),
)
_BY_NAME = {model.name: model for model in SHELF}


def full_name(name: str) -> str:
    """Return the name with its tag; `x` means `x:latest`."""
    return name if ":" in name else f"{name}:latest"


def find(name: str) -> Model | None:
    """Return the model that a request names."""
    return _BY_NAME.get(full_name(name))
