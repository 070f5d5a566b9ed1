"""Sight for local LLM servers. Five nouns hold the rest together.

* The **proxy** relays clients to Ollama untouched and meters what passes.
* The **helper** reads hardware that the proxy should not touch: GPU, power, temperature.
* The **dashboard** evaluates panels, over Prometheus or over its own history, and shows them.
* The **supervisor** starts, watches, restarts and stops them all; it knows none of them by name.
* The **catalog** declares every metric once; exporters, panels and documents derive from it.
"""

__version__ = "0.1.0"
