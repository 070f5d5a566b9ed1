"""What `ollamon top` asks the dashboard."""

import json
from typing import Any

from ollamon.cli.fetch import get
from ollamon.cli.top.board import First
from ollamon.errors import NotRunningError, OllamonError

TIMEOUT_S = 5.0
MOST = 8 * 1024 * 1024
RANGE = "15m"


class Source:
    """The dashboard at a URL."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def text(self, target: str) -> str:
        """Ask for a target.

        Raises:
            NotRunningError: Nobody answers.
            OllamonError: It answers, but not as a dashboard of ours.
        """
        # Imported when it is needed: http.client is slow to load.
        from http.client import HTTPException

        try:
            status, body, _ = get(self.url, target, timeout_s=TIMEOUT_S, most=MOST)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NotRunningError(
                f"no dashboard answers at {self.url}: {reason.lower()}\n"
                "       Try: ollamon status, or ollamon up"
            ) from None
        if status != 200:
            raise OllamonError(f"{self.url}{target} answers {status}")
        return body.decode("utf-8", "replace")

    def json(self, target: str) -> Any:
        """Ask for a target and read its JSON.

        Raises:
            OllamonError: As `text`, or the answer is not JSON.
        """
        try:
            return json.loads(self.text(target))
        except ValueError:
            raise OllamonError(f"{self.url}{target} is not a dashboard of ollamon") from None

    def first(self) -> First:
        """Ask for all that the start needs.

        Raises:
            OllamonError: As `json`.
        """
        panels, tick = self.json("/api/panels"), self.json("/api/metrics")
        if not isinstance(panels, list) or not isinstance(tick, dict) or "panels" not in tick:
            raise OllamonError(f"{self.url} is not a dashboard of ollamon")
        return First(panels, tick, self.json(f"/api/history?range={RANGE}"))
