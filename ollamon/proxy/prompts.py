"""Prompts that were probably cut to fit the context, by what a token of them weighs, without I/O.

Ollama cuts a prompt that does not fit and says nothing. What it reports then is a count below the
context's length, for a body that would have been far above it. The weight of a token is learned for
each model from the requests themselves, because it depends on language and tokenizer.
"""

import re

# Requests from which the weight of a token is learned before anything is suspected.
LEARNED_FROM = 20
# What comes after so many counts as much as all before it, so that other use is learned in time.
_REMEMBERED = 200
# By how much a prompt must seem too long; templates and JSON weigh something too.
MARGIN = 1.3
# A larger body is not looked through: each megabyte would cost as much as relaying it.
MOST_TEXT = 1024 * 1024
# Inside of text a quote is escaped, so that this is a key or a type, in any of the dialects.
_IMAGE = re.compile(rb'"(?:images?|image_url|input_image)"')
_LONGEST = len(b'"input_image"')


class PromptText:
    """Sees in the pieces of a request's body whether it may hold an image."""

    __slots__ = ("_edge", "_size", "is_alone")

    def __init__(self) -> None:
        self._edge = b""
        self._size = 0
        self.is_alone = True
        """It is text and no image so far, as far as was looked."""

    def feed(self, data: bytes) -> None:
        """Take a piece."""
        if not self.is_alone:
            return
        self._size += len(data)
        seen = self._edge + data if self._edge else data
        self._edge = seen[1 - _LONGEST :]
        # To look for five letters costs a third of what the expression does.
        has_image = b"image" in seen and _IMAGE.search(seen) is not None
        self.is_alone = self._size <= MOST_TEXT and not has_image


class TokenWeight:
    """What a token of one model's prompts weighs, in bytes of the request's body."""

    __slots__ = ("_bytes", "_count", "_tokens")

    def __init__(self) -> None:
        self._bytes = 0.0
        self._tokens = 0.0
        self._count = 0

    def is_cut(self, size: int, tokens: int, context: int | None) -> bool:
        """Learn from a prompt of text, unless it was probably cut: say whether it was.

        Args:
            size: Bytes of the request's body.
            tokens: As reported.
            context: Length of the context in tokens; None is unknown.
        """
        if tokens <= 0:
            return False
        if context and self._count >= LEARNED_FROM and tokens <= context:
            expected = size * self._tokens / self._bytes
            if expected > MARGIN * context:
                return True
        self._learn(size, tokens)
        return False

    def _learn(self, size: int, tokens: int) -> None:
        if self._count >= _REMEMBERED:
            self._bytes, self._tokens, self._count = (
                self._bytes / 2,
                self._tokens / 2,
                self._count // 2,
            )
        self._bytes += size
        self._tokens += tokens
        self._count += 1
