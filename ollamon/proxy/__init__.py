"""Child: the streaming reverse proxy, and what it measures.

* The **relay** moves bytes between a client and upstream and looks at nothing but framing.
* A **route** is the bounded name of a request target; its **dialect** says how answers are read.
* A **tap** is the observing half of one exchange. It sees bytes after they were passed on.
* The **recorder** turns what a tap saw into one event: instruments move once, when it ended.
* The **poller** asks Ollama and the helper; the **admin** server on :8001 shows all of it.
"""
