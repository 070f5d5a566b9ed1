"""Every answer is as the OpenAPI document says, whatever is asked."""

import json
import os

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import positive_data_acceptance

from ollamon.dashboard.openapi import document
from tests.dashboard.test_app import HOST, feed, get, journal, made

# Fixtures that are used here too.
__all__ = ["feed", "get", "journal", "made"]

DOCUMENT = json.loads(document())
OPERATIONS = [(method.upper(), path) for path, item in DOCUMENT["paths"].items() for method in item]
# That `from` needs `to` and excludes `range` cannot be said of parameters.
EXCLUDED = {"/api/history": [positive_data_acceptance]}
EXAMPLES = 500 if os.environ.get("OLLAMON_FULL") else 40


class Hosted:
    """The application as a client reaches it that names its host."""

    def __init__(self, app) -> None:
        self.app = app

    def __call__(self, environ, start_response):
        # The test's client does not unpack.
        return self.app(environ | {"HTTP_HOST": HOST, "HTTP_ACCEPT_ENCODING": ""}, start_response)


@pytest.mark.parametrize(("method", "path"), OPERATIONS, ids=lambda value: value)
def test_an_operation_answers_as_it_is_described(method, path, made, feed):
    feed.turn()
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", Hosted(made[0]))

    @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
    @given(case=schema[path][method].as_strategy())
    def holds(case):
        case.call_and_validate(excluded_checks=EXCLUDED.get(path))

    holds()


def test_every_route_of_the_api_is_described(made):
    routes = {
        str(rule).replace("<int:request_id>", "{id}")
        for rule in made[0].url_map.iter_rules()
        if str(rule).startswith(("/api", "/healthz", "/readyz"))
    }
    assert routes - {"/api/openapi.json"} == set(DOCUMENT["paths"])


def test_the_document_is_served(get):
    assert get("/api/openapi.json").json == DOCUMENT
