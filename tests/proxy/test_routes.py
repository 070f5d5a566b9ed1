import pytest

from ollamon.proxy.routes import ENDPOINTS, Dialect, Reading, route_of


@pytest.mark.parametrize(
    ("target", "endpoint", "dialect", "reading"),
    [
        ("/", "/", Dialect.OLLAMA, Reading.NOTHING),
        ("/api/chat", "/api/chat", Dialect.OLLAMA, Reading.GENERATION),
        ("/api/generate?x=1", "/api/generate", Dialect.OLLAMA, Reading.GENERATION),
        ("/api/embed", "/api/embed", Dialect.OLLAMA, Reading.EMBEDDING),
        ("/api/embeddings", "/api/embeddings", Dialect.OLLAMA, Reading.NOTHING),
        ("/api/pull", "/api/pull", Dialect.OLLAMA, Reading.PROGRESS),
        ("/api/blobs/sha256:ab", "/api/blobs/:digest", Dialect.OLLAMA, Reading.NOTHING),
        ("/api/blobs/", "other", Dialect.OLLAMA, Reading.NOTHING),
        ("/v1/chat/completions", "/v1/chat/completions", Dialect.OPENAI, Reading.GENERATION),
        ("/v1/responses", "/v1/responses", Dialect.OPENAI, Reading.GENERATION),
        ("/v1/embeddings", "/v1/embeddings", Dialect.OPENAI, Reading.EMBEDDING),
        ("/v1/models", "/v1/models", Dialect.OPENAI, Reading.NOTHING),
        ("/v1/models/a/b", "/v1/models/:model", Dialect.OPENAI, Reading.NOTHING),
        ("/v1/messages", "/v1/messages", Dialect.ANTHROPIC, Reading.GENERATION),
        ("/v1/messages/count_tokens", "other", Dialect.ANTHROPIC, Reading.NOTHING),
        ("/api/chat/", "other", Dialect.OLLAMA, Reading.NOTHING),
        ("/API/CHAT", "other", Dialect.OLLAMA, Reading.NOTHING),
        ("//api/chat", "other", Dialect.OLLAMA, Reading.NOTHING),
        ("/wp-admin", "other", Dialect.OLLAMA, Reading.NOTHING),
        ("*", "other", Dialect.OLLAMA, Reading.NOTHING),
        ("", "other", Dialect.OLLAMA, Reading.NOTHING),
        ("?a=/api/chat", "other", Dialect.OLLAMA, Reading.NOTHING),
    ],
)
def test_a_target_has_a_bounded_route(target, endpoint, dialect, reading):
    route = route_of(target)
    assert (route.endpoint, route.dialect, route.reading) == (endpoint, dialect, reading)
    assert route.endpoint in ENDPOINTS
