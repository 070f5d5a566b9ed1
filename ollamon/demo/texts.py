"""What the simulated models say, without I/O."""

import re
from random import Random

_SENTENCES = (
    "A local model answers on your own machine, so no word of the question leaves it.",
    "The first token is slow because the whole prompt has to be read before it.",
    "After that each token costs about the same, and the reading speed of a person is passed soon.",
    "A longer context needs more memory for its keys and values, and every token becomes dearer.",
    "When a model does not fit on the GPU, the layers that stay on the CPU set the pace.",
    "Quantised weights are smaller and faster, and a little less exact.",
    "Loading a model again and again costs more than keeping it in memory for a while.",
    "One slot for each model means that a second question waits until the first is answered.",
    "Batches of embeddings are cheap, since nothing has to be generated.",
    "A histogram tells more than an average, since a few slow answers hide behind many fast ones.",
    "Start with the smallest model that does the job, then measure before you change anything.",
    "A stream shows its beginning early, although its end comes no sooner.",
    "The memory that a model takes grows with the number of requests that it serves at once.",
    "Latency has three parts here: waiting for a slot, reading the prompt, and writing the answer.",
    "If the time to the first token grows, look at the length of the prompts first.",
    "Two numbers describe the speed: tokens in a second, and seconds before the first.",
    "A cancelled request frees its slot at once, so that the next one can begin.",
    "Power rises while the prompt is read, and stays level while tokens are written.",
    "The answer ends with a token that nobody sees, yet it is counted.",
    "Write the numbers down before an upgrade, or nobody will know what it changed.",
)
_THOUGHTS = (
    "The user wants a short and practical answer.",
    "Let me see which part of the question matters most.",
    "Perhaps the speed of the prompt is meant, perhaps the speed of the answer.",
    "I should mention memory too, since it decides what fits.",
    "An example would help, but it must stay small.",
    "That seems right, so let me put it together.",
)
_PIECE = re.compile(r"\s*\S+")


def answer(length: int, rng: Random) -> list[str]:
    """Return some `length` pieces, a word each, that end with a sentence."""
    return _pieces(_SENTENCES, length, rng)


def thoughts(length: int, rng: Random) -> list[str]:
    """Return some `length` pieces of thinking."""
    return _pieces(_THOUGHTS, length, rng)


def prompt(length: int, rng: Random) -> str:
    """Return a text of about `length` tokens, for a user who asks."""
    return "".join(_pieces(_SENTENCES, length, rng))


def _pieces(sentences: tuple[str, ...], length: int, rng: Random) -> list[str]:
    pieces: list[str] = []
    while len(pieces) < length:
        sentence = rng.choice(sentences)
        pieces += _PIECE.findall(f" {sentence}" if pieces else sentence)
    return pieces
