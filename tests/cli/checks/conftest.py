from collections.abc import Callable
from pathlib import Path

import pytest

from ollamon import services
from ollamon.cli.checks.finding import Finding
from ollamon.cli.checks.sight import Sight
from ollamon.cli.checks.world import World
from ollamon.config.load import Loaded
from ollamon.config.model import Config
from ollamon.supervisor.messages import StackStatus
from tests.system.stack import free_ports


@pytest.fixture
def world(tmp_path: Path) -> Callable[..., World]:
    """A world with free ports and folders of its own; tables are merged over that."""

    def make(
        document: dict | None = None,
        *,
        status: StackStatus | None = None,
        find: Callable[[str], str | None] = lambda name: None,
        notices: tuple[str, ...] = (),
        environment: dict[str, str] | None = None,
        silence: str = "",
        is_offline: bool = False,
        has_ollama: bool = True,
    ) -> World:
        first, second, third, fourth = (f"127.0.0.1:{port}" for port in free_ports(4))
        base = {
            "proxy": {"listen": first, "metrics_listen": second},
            "prometheus": {"listen": third},
            "dashboard": {"listen": fourth},
            "paths": {
                "state": str(tmp_path / "s"),
                "data": str(tmp_path / "d"),
                "runtime": str(tmp_path / "r"),
            },
        }
        for table, values in (document or {}).items():
            base[table] = {**base.get(table, {}), **values}
        config = Config.model_validate(base)
        digest = services.digest(config)
        plan = services.stack(
            config, file="", digest=digest, find=find, has_ollama=lambda _: has_ollama
        )
        loaded = Loaded(config, None, {}, notices)
        sight = Sight(is_offline=is_offline)
        return World(loaded, plan, status, find, environment or {}, silence, sight)

    return make


def one(findings) -> Finding:
    (finding,) = findings
    return finding
