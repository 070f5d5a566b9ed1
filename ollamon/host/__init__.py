"""What the proxy reads of its own machine without privilege: CPU, memory, pressure, disks, Ollama.

Each file reads one thing: `read` is I/O, `parse` and what follows it are pure. Unknown is None.
Rates come from two readings; the first one has none.
"""
