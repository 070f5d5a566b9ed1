"""Takes out of texts what is nobody else's business, without I/O."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

HIDDEN = "***"
_SECRET_NAME = re.compile(r"key|token|secret|passw|credential|auth|cookie", re.IGNORECASE)
# Shorter values are words that stand anywhere.
_SHORTEST = 6
_PATTERNS = (
    # user:password@ of a URL.
    (re.compile(r"//[^/\s@\"']+@"), f"//{HIDDEN}@"),
    (re.compile(r"\b(Bearer|Basic)\s+[\w.~+/=-]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    # name = value, "name": "value", name: value.
    (
        re.compile(
            r"([\w-]*(?:api_?key|token|secret|passw(?:or)?d|authorization|cookie)\w*[\"']?\s*[:=]\s*)"
            r"([\"']?)(?!(?:Bearer|Basic)\b)[^\s\"',}]+",
            re.IGNORECASE,
        ),
        rf"\1\2{HIDDEN}",
    ),
    # What services give out: OpenAI, Anthropic, GitHub, Hugging Face, AWS, JSON web tokens.
    (
        re.compile(
            r"\b(?:sk-[\w-]{8,}|gh[pousr]_\w{8,}|github_pat_\w{8,}|hf_\w{8,}|AKIA\w{12,}"
            r"|eyJ[\w-]{8,}\.[\w.-]+)"
        ),
        HIDDEN,
    ),
    (re.compile(r"(/(?:home|Users)/)[^/\s\"':,]+"), r"\1USER"),
)


def value(name: str, text: str) -> str:
    """Return the value of a variable or key, unless its name says that it is a secret."""
    return HIDDEN if text and _SECRET_NAME.search(name) else text


@dataclass(frozen=True, slots=True)
class Redactor:
    """What is known of this user and machine, and shall not leave it.

    Attributes:
        home: Shown as `~`.
        user: Shown as USER, where it is a name of somebody.
        host: Shown as HOST.
        secrets: Shown as `***`.
    """

    home: str
    user: str
    host: str
    secrets: frozenset[str] = field(default_factory=frozenset)

    @classmethod
    def of(cls, home: str, user: str, host: str, *variables: Mapping[str, str]) -> "Redactor":
        """Take the values of variables whose names say that they are secrets."""
        secrets = {
            text
            for each in variables
            for name, text in each.items()
            if len(text) >= _SHORTEST and _SECRET_NAME.search(name)
        }
        return cls(home.rstrip("/"), user, host, frozenset(secrets))

    def clean(self, text: str) -> str:
        """Return the text without all that."""
        for secret in sorted(self.secrets, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        if self.home:
            text = re.sub(rf"{re.escape(self.home)}(?![\w-])", "~", text)
        for pattern, instead in _PATTERNS:
            text = pattern.sub(instead, text)
        for name, instead in ((self.user, "USER"), (self.host, "HOST")):
            # "root" is everybody's, and "localhost" every machine's.
            if len(name) > 1 and name not in ("root", "localhost"):
                text = re.sub(rf"(?<![^\W_]){re.escape(name)}(?![^\W_])", instead, text)
        return text
