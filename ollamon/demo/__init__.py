"""The demo: a simulated Ollama and the people who use it, for a look at ollamon without a model.

* A **model** stands on a shelf with its size and its speeds; nothing is downloaded or computed.
* A **job** is what a request asks of a model; its **plan** says what is answered, and how fast.
* The **engine** plays plans in real time: it loads, queues (one slot a model) and unloads.
* The **server** speaks Ollama's native routes and the OpenAI ones, on loopback only.
* **Traffic** is a few virtual users who call the proxy; a **habit** says what one does next.
"""
