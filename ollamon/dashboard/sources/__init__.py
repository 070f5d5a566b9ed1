"""Where panels are evaluated: behind one interface, a Prometheus or samples of our own."""
