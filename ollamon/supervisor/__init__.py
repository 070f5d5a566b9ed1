"""The parent's engine: starts, watches, restarts and stops children. It knows none by name.

* A **spec** says what should be: command, edges, probe, deadlines.
* A **lifecycle** says what is, and what to do next: (state, event) -> (state, actions), pure.
* A **child** is the process that runs now, in a process group of its own.
* The **guard** is a tiny process that ends what is left if the supervisor is killed.
* The **control** socket lets `ollamon status` and `down` talk to the supervisor.
"""
