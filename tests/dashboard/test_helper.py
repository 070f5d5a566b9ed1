import dataclasses

import pytest

from ollamon import readings
from ollamon.dashboard.sources.helper import Helper, HelperSeen
from tests.dashboard.support import TextServer

SENTENCE = "powercap needs root: run ollamon helper install"
READING = readings.Reading(
    "0.1.0",
    "2026-08-25T10:00:00.123Z",
    1.0,
    5.0,
    readings.Platform(readings.System.LINUX, "6.1", "x86_64", None, False),
)
DENIED = {
    readings.Source.HWMON: readings.SourceState(readings.State.OK),
    readings.Source.RAPL: readings.SourceState(readings.State.PERMISSION_DENIED, SENTENCE),
}


@pytest.fixture
def server():
    made = TextServer()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("reading", "seen"),
    [
        (READING, HelperSeen()),
        (
            dataclasses.replace(
                READING, gpu=(readings.Gpu("amd0", readings.Vendor.AMD, "Radeon"),)
            ),
            HelperSeen(has_gpu=True),
        ),
        (dataclasses.replace(READING, sources=DENIED), HelperSeen(denied=SENTENCE)),
    ],
    ids=["nothing special", "a GPU", "a denied source"],
)
def test_what_the_helper_says(server, reading, seen):
    server.paths["/metrics"] = (200, readings.to_json(reading).decode())
    assert Helper(server.url).look() == seen


def test_an_answer_of_somebody_else_is_no_helper(server):
    server.paths["/metrics"] = (404, "not here")
    assert "status 404" in Helper(server.url).look().error


def test_nobody_there(server):
    server.close()
    seen = Helper(server.url).look()
    assert seen.error.endswith("connection refused")
    assert not seen.has_gpu
