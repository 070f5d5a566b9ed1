"""Members of a JSON document of which only the first and last 4 KiB were kept, without I/O.

A JSON string holds no bare quote, so `"name":` outside the edges of a cut string is a key. Which
object it belongs to cannot be told: a member counts only if it stands there exactly once.
"""

import json
import re
from collections.abc import Mapping

_DECODER = json.JSONDecoder()
_COUNTERS = re.compile(r'"total_duration":\d{1,20}(?:,"[a-z_]{1,40}":\d{1,20})*')


class Fragment:
    """The first and last 4 KiB of one document."""

    def __init__(self, head: bytes, tail: bytes) -> None:
        self._head = head.decode(errors="replace")
        self._tail = tail.decode(errors="replace")

    def member(self, name: str) -> object:
        """Return the value of a member that stands there once and whole, else None."""
        key = f'"{name}":'
        if self._head.count(key) + self._tail.count(key) != 1:
            return None
        text = self._head if key in self._head else self._tail
        rest = text[text.index(key) + len(key) :].lstrip()
        try:
            value: object = _DECODER.raw_decode(rest)[0]
        except (ValueError, RecursionError):
            return None
        return value

    def first_text(self, name: str) -> str:
        """Return the first text under this key, of the head if it stands there, else ""."""
        pattern = re.compile(rf'"{re.escape(name)}":\s*"([^"\\]{{1,256}})"')
        found = pattern.search(self._head) or pattern.search(self._tail)
        return found.group(1) if found else ""

    def has(self, text: str) -> bool:
        """Say whether these bytes stand there exactly once."""
        return self._head.count(text) + self._tail.count(text) == 1

    def counters(self) -> Mapping[str, object] | None:
        """Return Ollama's run of counters, `"total_duration":N,...`, if it stands there once."""
        runs = [*_COUNTERS.finditer(self._head), *_COUNTERS.finditer(self._tail)]
        if len(runs) != 1:
            return None
        run: Mapping[str, object] = json.loads("{" + runs[0].group() + "}")
        return run
