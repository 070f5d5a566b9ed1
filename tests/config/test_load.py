"""Every layer and every kind of mistake, with its place and its words."""

import pytest

from ollamon.config.layers import Layers
from ollamon.config.load import Loaded, load
from ollamon.config.naming import NOT_KEYS
from ollamon.config.wording import problems_of
from ollamon.errors import ConfigError


@pytest.fixture
def file(tmp_path, monkeypatch):
    """Write ollamon.toml into the working directory."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))

    def write(text: str | bytes) -> str:
        path = tmp_path / "ollamon.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return "ollamon.toml"

    return write


def read(text_file: str | None = None, options=None, **environment: str) -> Loaded:
    return load(text_file, options, environment)


def problems(*arguments, **environment: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(*arguments, **environment)
    return [str(problem) for problem in caught.value.problems]


def test_no_file_means_all_defaults(file):
    loaded = read()
    assert loaded.file is None
    assert str(loaded.config.proxy.listen) == "127.0.0.1:11435"
    assert loaded.origins == {}


@pytest.mark.fault(40)
def test_an_empty_file_means_all_defaults(file):
    file("")
    assert read().config == load(None, {}, {}).config


def test_a_file_changes_what_it_names(file):
    file('[proxy]\nlisten = "127.0.0.1:5000"\n[log]\nmax_size = "1MB"\n')
    config = read().config
    assert (config.proxy.listen.port, config.log.max_size) == (5000, 1024**2)


def test_options_win_over_variables_and_variables_over_the_file(file):
    file('[proxy]\nlisten = "127.0.0.1:5000"\nmetrics_listen = "127.0.0.1:5001"\n')
    loaded = read(
        None,
        {"proxy.listen": "127.0.0.1:7000"},
        OLLAMON_PROXY__LISTEN="127.0.0.1:6000",
        OLLAMON_DASHBOARD__LISTEN="127.0.0.1:6001",
    )
    assert loaded.config.proxy.listen.port == 7000
    assert loaded.config.proxy.metrics_listen.port == 5001
    assert loaded.config.dashboard.listen.port == 6001
    assert loaded.origins["proxy.listen"] == "the command line"
    assert loaded.origins["proxy.metrics_listen"] == "ollamon.toml:3:1"
    assert loaded.origins["dashboard.listen"] == "OLLAMON_DASHBOARD__LISTEN"


@pytest.mark.parametrize(
    ("variable", "text", "path", "value"),
    [
        ("OLLAMON_LOG__KEEP", "7", "log.keep", 7),
        ("OLLAMON_DEMO__ENABLED", "true", "demo.enabled", True),
        ("OLLAMON_NAME", "second", "name", "second"),
        ("OLLAMON_PROXY__ALLOWED_HOSTS", "box.lan, nas", "proxy.allowed_hosts", ("box.lan", "nas")),
        ("OLLAMON_PROXY__ALLOWED_HOSTS", '["box.lan"]', "proxy.allowed_hosts", ("box.lan",)),
        ("OLLAMON_PROMETHEUS__SCRAPE_INTERVAL", "2s", "prometheus.scrape_interval", 2.0),
    ],
)
def test_a_variable_is_read_as_the_type_of_its_key(file, variable, text, path, value):
    node = read(**{variable: text}).config
    for part in path.split("."):
        node = getattr(node, part)
    assert node == value


@pytest.mark.parametrize("name", sorted(NOT_KEYS - {"OLLAMON_CONFIG"}))
def test_our_own_switches_are_no_keys(file, name):
    assert read(**{name: "1"}).config == read().config


def test_a_mistyped_variable_is_a_problem_too(file):
    assert problems(OLLAMON_PROXY__LISEN="127.0.0.1:1") == [
        "OLLAMON_PROXY__LISEN: proxy.lisen: unknown key, did you mean listen?"
    ]
    (said,) = problems(OLLAMON_PROXY_LISTEN="127.0.0.1:1")
    assert said.startswith("OLLAMON_PROXY_LISTEN: proxy_listen: unknown section or key")


@pytest.mark.fault(40)
def test_every_problem_is_told_at_once_each_with_its_place(file):
    file(
        'schema = 2\n[proxy]\nlisen = "127.0.0.1:11435"\n\n[prometheus]\n'
        'scrape_interval = "5"\nmode = "sometimes"\n[log]\nkeep = "three"\nmax_size = 10\n'
        '[dashbord]\nlisten = "127.0.0.1:3001"\n'
    )
    assert problems() == [
        "ollamon.toml:1:10: schema: must be at most 1, got 2",
        "ollamon.toml:3:1: proxy.lisen: unknown key, did you mean listen?\n"
        '    3 │ lisen = "127.0.0.1:11435"\n'
        "      │ ^^^^^",
        'ollamon.toml:6:19: prometheus.scrape_interval: "5" has no unit. Write "5s"',
        "ollamon.toml:7:8: prometheus.mode: expected one of 'auto', 'managed', 'external' or "
        "'embedded', got 'sometimes'",
        "ollamon.toml:9:8: log.keep: expected a whole number, got 'three'",
        'ollamon.toml:10:12: log.max_size: "10" has no unit. Write "10MB"',
        "ollamon.toml:11:2: dashbord: unknown section or key, did you mean dashboard?\n"
        "   11 │ [dashbord]\n"
        "      │  ^^^^^^^^",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[proxy]\nlisten = "0.0.0.0:11435"', "can be reached from the network"),
        ('[proxy]\nlisten = "box.lan:11435"', "can be reached from the network"),
        ('[dashboard]\nlisten = "[::]:3001"', "can be reached from the network"),
        ('[proxy]\nlisten = "11435"', 'expected "host:port"'),
        ("[proxy]\nlisten = 11435", 'expected "host:port", got 11435'),
        ('[proxy]\nlisten = "127.0.0.1:99999"', 'expected "host:port"'),
        ('[ollama]\nurl = "127.0.0.1:11434"', "expected a URL such as"),
        ('[ollama]\nurl = "http://127.0.0.1:11434/v1"', "may hold scheme, host and port only"),
        ('[ollama]\nurl = "http://a:b@box"', "may hold scheme, host and port only"),
        ("proxy = 3", "expected a table, got 3"),
        ("[demo]\nenabled = 1", "expected true or false, got 1"),
        ('[proxy]\nallowed_hosts = "box"', 'expected a list such as ["box.lan"]'),
        ("[metrics]\nmax_models = 0", "must be at least 1, got 0"),
        ('[prometheus]\nbinary = ""', "must not be empty"),
        ('name = "Not A Name"', "expected 1 to 32 small letters, digits and hyphens, no hyphen"),
        ('[prometheus]\nscrape_interval = "0s"', '"0s" must be longer than 0'),
        ('[children]\nrestart = "often"', "expected one of 'always', 'on-failure' or 'never'"),
        ('[children]\nthen = "retry"', """expected "stay", "shutdown" or such as "retry:5m\""""),
        ('[children]\nthen = "retry:0s"', '"0s" must be longer than 0'),
        ('[children]\nstop_timeout = "5s"', 'expected a table such as { prometheus = "10m" }'),
        ("[children]\nstop_timeout = { proxy = 5 }", '"5" has no unit. Write "5s"'),
        (
            '[children]\nstart_timeout = { prometeus = "5m" }',
            "there is no child prometeus: there is demo, ollama, proxy",
        ),
        ("[children]\ngive_up = 0", "must be at least 1, got 0"),
        ('[prometheus]\nscrape_interval = "-5s"', "expected a number with one of the units"),
        ('[prometheus]\nretention_size = "2 TiB"', "expected a number with one of the units"),
    ],
)
def test_a_wrong_value_is_told_in_words(file, text, said):
    file(text)
    (problem,) = problems()
    assert said in problem
    assert problem.startswith("ollamon.toml:")


@pytest.mark.parametrize(
    ("on", "off"),
    [
        ('[demo]\nenabled = true\nlisten = "127.0.0.1:3001"', "[demo]\nenabled = false"),
        ('[helper]\nmode = "on"\nlisten = "127.0.0.1:3001"', '[helper]\nmode = "off"'),
        ('[helper]\nmode = "external"\nlisten = "127.0.0.1:3001"', '[helper]\nmode = "off"'),
        (
            '[prometheus]\nmode = "managed"\nlisten = "127.0.0.1:3001"',
            '[prometheus]\nmode = "embedded"',
        ),
    ],
)
def test_an_address_where_nobody_listens_clashes_with_nothing(file, on, off):
    file(on)
    (said,) = problems()
    assert "wants 127.0.0.1:3001 too" in said
    file(f'{off}\nlisten = "127.0.0.1:3001"')
    assert load().notices == ()


@pytest.mark.fault(40)
def test_two_sections_may_not_want_one_port(file):
    file('[proxy]\nlisten = "127.0.0.1:9090"\n')
    (said,) = problems()
    assert said.startswith(
        "ollamon.toml:2:10: prometheus.listen: proxy.listen wants 127.0.0.1:9090 too; each needs a "
        "port of its own"
    )


def test_a_clash_is_told_beside_other_mistakes(file):
    file('[proxy]\nmetrics_listen = "127.0.0.1:11435"\n[log]\nkeep = 0\n')
    first, second = problems()
    assert "proxy.metrics_listen: proxy.listen wants" in first
    assert "log.keep" in second


def test_an_upstream_that_is_our_own_proxy_is_a_loop(file):
    file('[ollama]\nurl = "http://localhost:11435"\n')
    (said,) = problems()
    assert "ollamon.toml:2:7: ollama.url: http://localhost:11435 is this proxy itself" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('url = "http://192.0.2.1:11434"', "it must be http and of this machine"),
        ('url = "https://127.0.0.1:11434"', "it must be http and of this machine"),
        ('url = "http://127.0.0.1:9090"', "prometheus.listen wants 127.0.0.1:9090 too"),
        ('env = { OLLAMA_HOST = "0.0.0.0" }', "OLLAMA_HOST comes from ollama.url"),
        ("env = { OLLAMA_DEBUG = 1 }", "expected text in quotes, got 1"),
        ("env = 1", "expected a table such as"),
    ],
)
def test_a_managed_ollama_listens_where_one_of_ours_can(file, text, said):
    file(f'[ollama]\nmode = "managed"\n{text}\n')
    (problem,) = problems()
    assert problem.startswith("ollamon.toml:3:")
    assert said in problem


def test_variables_of_a_managed_ollama_come_from_file_or_environment(file):
    file('[ollama.env]\nOLLAMA_KEEP_ALIVE = "1h"\n')
    assert read().config.ollama.env == {"OLLAMA_KEEP_ALIVE": "1h"}
    loaded = read(OLLAMON_OLLAMA__ENV='{ OLLAMA_DEBUG = "1" }')
    assert loaded.config.ollama.env == {"OLLAMA_DEBUG": "1"}
    assert problems(OLLAMON_OLLAMA__ENV="x")


def test_an_external_engine_needs_an_address(file):
    file('[prometheus]\nmode = "external"\n')
    (said,) = problems()
    assert said.endswith('prometheus.url: needed when prometheus.mode is "external"')


def test_somebody_must_check_host(file):
    file('[proxy]\nallowed_hosts = ["*"]\n')
    (said,) = problems()
    assert "needs proxy.preserve_host = true" in said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('interval = "100ms"', 'helper.interval: expected "1s" to "60s"'),
        ('listen = "127.0.0.1:80"', "helper.listen: expected 127.0.0.1 and a port of 1024"),
        ('listen = "[::1]:8002"', "helper.listen: expected 127.0.0.1 and a port of 1024"),
    ],
)
def test_what_the_helper_would_refuse_is_refused_before_it_starts(file, text, said):
    file(f"[helper]\n{text}\n")
    assert read().config.helper.mode == "off"
    (problem,) = problems(None, {"helper.mode": "on"})
    assert said in problem


def test_ollama_host_names_the_upstream(file):
    loaded = read(OLLAMA_HOST="192.168.1.7")
    assert loaded.config.ollama.url == "http://192.168.1.7:11434"
    assert loaded.origins["ollama.url"] == "OLLAMA_HOST"


@pytest.mark.parametrize("text", ["foo bar", "ftp://box", "box:0", "http://me:hush@box:1"])
def test_an_ollama_host_that_names_no_server_is_ignored_and_said(file, text):
    loaded = read(OLLAMA_HOST=text)
    assert loaded.config.ollama.url == "http://127.0.0.1:11434"
    (notice,) = loaded.notices
    assert "names no server" in notice
    assert "hush" not in notice


def test_an_odd_ollama_host_is_followed_and_said(file):
    loaded = read(OLLAMA_HOST="box:abc")
    assert loaded.config.ollama.url == "http://box:11434"
    (notice,) = loaded.notices
    assert notice == (
        'OLLAMA_HOST=box:abc: "abc" is no port, and its default is taken; http://box:11434 is asked'
    )


def test_ollama_host_gives_way_to_the_file(file):
    file('[ollama]\nurl = "http://127.0.0.1:9999"\n')
    assert read(OLLAMA_HOST="192.168.1.7").config.ollama.url == "http://127.0.0.1:9999"


@pytest.mark.parametrize("text", ["127.0.0.1:11435", "localhost:11435", "http://[::1]:11435"])
def test_an_ollama_host_that_is_our_own_proxy_is_ignored_and_said(file, text):
    loaded = read(OLLAMA_HOST=text)
    assert loaded.config.ollama.url == "http://127.0.0.1:11434"
    (notice,) = loaded.notices
    assert "OLLAMA_HOST names this proxy" in notice


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'[proxy]\nlisten = "\xff"\n', "ollamon.toml:2:1: not UTF-8 text"),
        (b"[proxy\n", "ollamon.toml:1:7: no valid TOML: "),
        (b"[proxy]\nlisten = \n", "ollamon.toml:2:10: no valid TOML: invalid value"),
        (b'a = """', "ollamon.toml: no valid TOML: "),
        (b"a = 1\na = 2\n", "ollamon.toml:2:6: no valid TOML: cannot overwrite a value"),
        (b"#" * (1024 * 1024 + 1), "cannot read ollamon.toml: larger than 1 MB"),
    ],
)
@pytest.mark.fault(40)
def test_a_file_that_cannot_be_read_says_why_and_where(file, content, said):
    file(content)
    (problem,) = problems()
    assert problem.lower().startswith(said.lower())


@pytest.mark.fault(40)
def test_a_folder_instead_of_a_file_is_said(file, tmp_path):
    (tmp_path / "ollamon.toml").mkdir()
    assert problems() == ["cannot read ollamon.toml: is a directory"]


def test_a_file_that_was_named_must_exist(file, monkeypatch):
    assert problems("none.toml") == ["cannot read none.toml: no such file or directory"]
    monkeypatch.setenv("OLLAMON_CONFIG", "other.toml")
    assert problems() == [
        "cannot read other.toml (named by OLLAMON_CONFIG): no such file or directory"
    ]


def test_layers_and_wording_can_be_used_apart():
    layers = Layers()
    layers.add_file("a.toml", "[log]\nkeep = 2\n")
    assert layers.get("log.keep") == 2
    assert layers.where("log.keep") == "a.toml:2:1"
    assert layers.where("log.other") == "a.toml:1:2"
    assert problems_of.__doc__ is not None
