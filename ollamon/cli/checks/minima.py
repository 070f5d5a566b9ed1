"""Minimum versions with a security reason, without I/O.

Generated from pyproject.toml by scripts/generate.
"""

MINIMA = {
    "aiohttp": ("3.13.3", "request smuggling, unbounded reads"),
    "flask": ("3.1.3", "session signing keys, missing Vary: Cookie"),
    "werkzeug": ("3.1.6", "safe_join with device names, multipart parsing"),
    "python-engineio": ("4.13.2", "unbounded packets of one message"),
    "requests": ("2.32.4", "netrc credentials sent to the wrong host"),
}
