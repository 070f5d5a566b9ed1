"""Text from outside -> bounded label values, without I/O.

Every distinct value costs memory here and in Prometheus for ever, so a model has series of its own
only when Ollama has it, or has answered for it; the rest is `other`.
"""

import re
from collections.abc import Iterable
from http import HTTPStatus

OTHER = "other"
UNKNOWN = "unknown"
LEFT_STATUS = "499"
"""Status label of a request that got no head."""

ANSWERED = 5
"""Models that are not installed and get series because a 2xx answered for them."""

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_STATUSES = frozenset({str(status.value) for status in HTTPStatus} | {LEFT_STATUS, "529"})
_MODEL = re.compile(r"[A-Za-z0-9._:/@+-]{1,128}")
_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._:/@+() -]")


def most_models(limit: int) -> int:
    """Return how many values the label `model` has at most, when so many listed models get it."""
    return limit + ANSWERED + len((OTHER, UNKNOWN))


def method_label(method: str) -> str:
    """Return a method as label."""
    return method if method in METHODS else OTHER


def status_label(status: int | None) -> str:
    """Return a status as label; None is a client that left before it got one."""
    text = LEFT_STATUS if status is None else str(status)
    return text if text in _STATUSES else OTHER


def name_label(text: str) -> str:
    """Return a name from Ollama or the helper, letters of no harm alone, 64 of them at most."""
    return _NOT_IN_NAMES.sub("", text)[:64].strip()


def plain_model(name: str) -> str:
    """Return a model's name as label if it may be one, else ""; `x:latest` is `x`.

    A path is cut to its last part: llama.cpp names the file, with the user's folder.
    """
    plain = name.removesuffix(":latest")
    if plain.startswith("/"):
        plain = plain.rpartition("/")[2]
    return plain if _MODEL.fullmatch(plain) else ""


def is_remote(model: str) -> bool:
    """Say whether Ollama lets its cloud run a model of this name."""
    tag = model.rpartition(":")[2]
    return ":" in model and (tag == "cloud" or tag.endswith("-cloud"))


class ModelNames:
    """Which models have series of their own.

    Args:
        limit: Installed or loaded models that get them.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._installed: set[str] = set()
        self._answered: set[str] = set()
        # The two usual spellings of each: to look at a name's letters costs more than all else.
        self._by_name: dict[str, str] = {}

    def learn(self, names: Iterable[str]) -> list[str]:
        """Take names that Ollama lists, in order, while there is room; return the new ones."""
        new: list[str] = []
        for name in names:
            label = plain_model(name)
            if label and label not in self and len(self._installed) < self._limit:
                self._installed.add(label)
                self._remember(label)
                new.append(label)
        return new

    def admit(self, name: str) -> bool:
        """Take a name for which a 2xx answered; say whether it is new."""
        if name in self._by_name:
            return False
        label = plain_model(name)
        if not label or label in self or len(self._answered) >= ANSWERED:
            return False
        self._answered.add(label)
        self._remember(label)
        return True

    def _remember(self, label: str) -> None:
        self._by_name[label] = self._by_name[f"{label}:latest"] = label

    def label(self, name: str) -> str:
        """Return the label of a name; "" is `unknown`."""
        if not name:
            return UNKNOWN
        known = self._by_name.get(name)
        if known is not None:
            return known
        label = plain_model(name)
        return label if label in self else OTHER

    def __contains__(self, label: object) -> bool:
        return label in self._installed or label in self._answered
