import json
import shutil
import subprocess

import pytest

from ollamon.artifacts import grafana
from ollamon.config.model import Config
from ollamon.metrics.panels import PANELS, Unit

BOARD = json.loads(grafana.dashboard(Config()))
CHARTS = [panel for panel in BOARD["panels"] if panel["type"] == "timeseries"]


def test_every_panel_is_there_in_the_order_of_the_page():
    assert [chart["title"] for chart in CHARTS] == [panel.title for panel in PANELS]
    assert [chart["description"] for chart in CHARTS] == [panel.help for panel in PANELS]


def test_no_two_things_share_a_number_or_a_place():
    panels = BOARD["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells: set[tuple[int, int]] = set()
    for panel in panels:
        place = panel["gridPos"]
        taken = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not cells & taken, panel["title"]
        assert all(x < 24 for x, _ in taken)
        cells |= taken


def test_every_unit_is_known():
    assert set(grafana.UNITS) == set(Unit)


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel.id)
def test_a_panel_asks_for_the_chosen_machines_and_models(panel):
    text = grafana.expression_of(panel)
    assert text.count('instance=~"$instance"') == len(panel.expression.names)
    if "model" in panel.expression.labels:
        assert 'model=~"$model"' in text


def test_promtool_can_read_every_expression(tmp_path):
    program = shutil.which("promtool")
    assert program, "promtool is not installed: see scripts/prepare"
    lines = ["groups:", "  - name: panels", "    rules:"]
    for i, panel in enumerate(PANELS):
        lines.append(f"      - {{record: 'panel{i}', expr: '{grafana.expression_of(panel)}'}}")
    path = tmp_path / "panels.yml"
    path.write_text("\n".join(lines))
    done = subprocess.run(
        [program, "check", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(PANELS)} rules found" in done.stdout


def test_the_variables_stand_before_what_uses_them():
    names = [variable["name"] for variable in BOARD["templating"]["list"]]
    assert names == ["source", "instance", "model"]


@pytest.mark.parametrize(
    ("prometheus", "url"),
    [
        ({}, "http://127.0.0.1:9090"),
        ({"mode": "external", "url": "http://127.0.0.1:8428"}, "http://127.0.0.1:8428"),
    ],
)
def test_the_data_source_is_the_engine_of_the_configuration(prometheus, url):
    document = json.loads(grafana.datasources(Config.model_validate({"prometheus": prometheus})))
    (source,) = document["datasources"]
    assert source["url"] == url
    assert source["jsonData"]["timeInterval"] == "5s"


def test_the_folder_of_the_dashboard_is_provisioned():
    (provider,) = json.loads(grafana.providers())["providers"]
    assert provider["type"] == "file"
