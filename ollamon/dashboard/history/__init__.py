"""What the dashboard keeps beyond its own life, in one SQLite file.

`file` opens it, and says why it cannot; `requests` holds a row per request. Nothing here knows of
gevent: whoever calls from a loop does so through a thread, for SQLite blocks.
"""
