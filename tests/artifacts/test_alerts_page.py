from ollamon.artifacts.alerts import groups
from ollamon.artifacts.alerts_page import page
from ollamon.config.model import Config


def test_every_alert_is_explained_in_one_row():
    lines = page(Config()).splitlines()
    for alerts in groups(Config()).values():
        for alert in alerts:
            (row,) = [line for line in lines if line.startswith(f"| `{alert.name}` |")]
            assert alert.todo.replace("|", "\\|") in row
            assert row.replace("\\|", "").count("|") == 6
