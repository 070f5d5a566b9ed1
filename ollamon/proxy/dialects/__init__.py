"""How answers are read: one module a dialect, one document -> its events, without I/O.

* A **document** is one JSON value of an answer: a line of NDJSON, the data of an SSE event, or the
  whole body of an answer that does not stream.
* `events(document)` yields what it says, in any order.
* A **fragment** is what can be told of a document too long to keep: its first and last 4 KiB.
  `complete(fragment)` makes a document of it, holding only what is certain, or None.
"""
