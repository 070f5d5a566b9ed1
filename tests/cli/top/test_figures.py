"""The terminal writes numbers as the page does."""

import json
import shutil
import subprocess
from pathlib import Path

from ollamon.cli.top.figures import text
from ollamon.metrics.panels import Unit

FORMAT = Path(__file__).parents[3] / "ollamon/dashboard/static/format.js"
VALUES = [
    *(0, 1, 3, 17, 100, 999, 999.6, 1000, 1024, 4096, 123456, 9.5e9, 3e12, 5e15, -2.5, -40),
    *(0.0004, 0.011, 0.0994, 0.0996, 0.5, 0.9994, 0.9996, 1.234, 9.994, 9.996, 45.67, 99.94, 99.96),
    *(119.9, 120.1, 7199, 7201, 123.456),
]


def test_numbers_are_those_of_the_page():
    cases = [(value, unit.value) for unit in Unit for value in VALUES]
    script = (
        f"import {{ text }} from {json.dumps(FORMAT.as_uri())};"
        f"console.log(JSON.stringify({json.dumps(cases)}.map(([v, u]) => text(v, u))));"
    )
    node = shutil.which("node")
    assert node, "node is not installed: see scripts/prepare"
    done = subprocess.run(
        [node, "--input-type=module", "-e", script], capture_output=True, text=True, check=True
    )
    page = [shown.replace("\u00a0", " ") for shown in json.loads(done.stdout)]
    ours = [text(value, unit) for value, unit in cases]
    assert [
        (case, mine, theirs)
        for case, mine, theirs in zip(cases, ours, page, strict=True)
        if mine != theirs
    ] == []


def test_unknown_is_a_dash():
    for value in (None, float("nan"), float("inf")):
        assert text(value, "seconds") == "\u2013"
