"""Cuts the stream of `powermetrics -f plist` into documents, without I/O.

NUL stands between documents and none follows the last, so a document ends at `</plist>`: waiting
for the NUL would delay each by an interval and lose the last.
"""

MOST = 8 << 20
_END = b"</plist>"
_START = b"<?xml"
_PADDING = b"\0\r\n\t "


class Splitter:
    """Bytes in, complete documents out.

    Args:
        most: A document that is longer is dropped.

    Attributes:
        dropped: Documents that were cut short, too long, or began in the middle.
    """

    def __init__(self, most: int = MOST) -> None:
        self.dropped = 0
        self._most = most
        self._held = bytearray()
        self._seen = 0
        # The rest of a document that was too long.
        self._is_skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """Take a piece of the stream; return the documents that are complete now."""
        self._held += data
        documents = []
        while (cut := self._next_cut()) is not None:
            start, end = cut
            if start is None:
                self._drop(end)
            elif (document := self._taken(end)) is not None:
                documents.append(document)
        if len(self._held) > self._most:
            self._drop(len(self._held))
            self._is_skipping = True
        return documents

    def finish(self) -> list[bytes]:
        """The stream ended; what is incomplete is no document."""
        if self._held.strip(_PADDING):
            self._drop(len(self._held))
        self._held.clear()
        return []

    def _next_cut(self) -> tuple[int | None, int] | None:
        """Return (0, end of a document), or (None, end of what must go), or None: read on."""
        if not self._seen:
            self._held = self._held.lstrip(_PADDING)
        end = self._held.find(_END, self._seen)
        nul = self._held.find(b"\0", self._seen, end if end >= 0 else len(self._held))
        if nul >= 0:
            # A NUL inside a document: its end was lost.
            return None, nul + 1
        if end >= 0:
            return 0, end + len(_END)
        # The end mark may be cut in two.
        self._seen = max(0, len(self._held) - len(_END) + 1)
        return None

    def _taken(self, end: int) -> bytes | None:
        document = bytes(self._held[:end])
        begin = document.rfind(_START)
        if begin < 0:
            self._drop(end)
            return None
        if begin > 0 and not self._is_skipping:
            self.dropped += 1
        self._forget(end)
        return document[begin:]

    def _drop(self, end: int) -> None:
        if not self._is_skipping:
            self.dropped += 1
        self._forget(end)

    def _forget(self, end: int) -> None:
        del self._held[:end]
        self._seen = 0
        self._is_skipping = False
