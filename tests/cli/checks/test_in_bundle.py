"""What goes into a bundle of what was looked at."""

import tarfile
from dataclasses import replace

from ollamon.cli import bundle
from tests.cli.test_table import PROXY, STATUS


def test_the_last_lines_of_children_stay_here(world, tmp_path):
    """A foreign program may write a prompt when it dies."""
    child = replace(PROXY, tail=("panic: prompt was: the heron",))
    here = world(status=replace(STATUS, children=(child,)), is_offline=True)
    (tmp_path / "s").mkdir()
    lines = "".join(f'{{"n": {n}, "filler": "{"x" * 90}"}}\n' for n in range(4000))
    (tmp_path / "s/events.jsonl").write_text(lines)
    path = bundle.write(here, [{"id": "x"}], str(tmp_path / "b.tar.gz"))
    with tarfile.open(path) as archive:
        text = {name: archive.extractfile(name).read().decode() for name in archive.getnames()}
    assert '"proxy"' in text["ollamon/status.json"]
    assert not [name for name, said in text.items() if "heron" in said]
    events = text["ollamon/events.jsonl"]
    assert len(events) <= bundle.LOG_BYTES
    assert events.startswith('{"n": ')
    assert events.endswith(lines[-20:])
    assert "ollamon/metrics.txt" not in text
