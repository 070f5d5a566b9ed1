"""A llama.cpp server for one model file, as a child: FILE [--embed].

Its first line on stdout is its address; it leaves when stdin ends.
"""

import os
import sys

import xllamacpp


def main() -> None:
    model, *options = sys.argv[1:]
    parameters = xllamacpp.CommonParams()
    parameters.model.path = model
    parameters.hostnames, parameters.port = ["127.0.0.1"], 0
    # A context for each slot, so that eight streams run at once and none waits.
    parameters.n_parallel, parameters.n_ctx = 8, 8 * 2048
    parameters.warmup, parameters.endpoint_metrics = False, True
    parameters.model_alias = {"tiny"}
    # One thread: more would spin on a machine that has two cores and other tests to run.
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
    parameters.embedding = "--embed" in options
    server = xllamacpp.Server(parameters)
    sys.stdout.write(f"{server.listening_address}\n")
    sys.stdout.flush()
    sys.stdin.read()
    # Without the interpreter's end: a stream that never ends would hold the server's threads.
    os._exit(0)


if __name__ == "__main__":
    main()
