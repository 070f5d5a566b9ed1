import json

from ollamon.supervisor.journal import HISTORY, Journal
from ollamon.supervisor.output import RotatingFile


def test_everybody_is_told_and_the_file_keeps_it(tmp_path):
    heard, more = [], []
    journal = Journal(heard.append, RotatingFile(tmp_path / "events.jsonl", 10**6, 1))
    journal.emit("proxy", "starting", pid=7)
    journal.subscribe(more.append)
    journal.emit("proxy", "ready", "fine")
    journal.close()
    assert [event.state for event in heard] == ["starting", "ready"]
    assert [event.state for event in more] == ["ready"]
    lines = (tmp_path / "events.jsonl").read_text().splitlines()
    assert [json.loads(line)["state"] for line in lines] == ["starting", "ready"]


def test_a_listener_whose_terminal_is_gone_does_not_keep_it_from_others(tmp_path):
    def broken(event):
        raise BrokenPipeError

    heard = []
    journal = Journal(broken, RotatingFile(tmp_path / "events.jsonl", 10**6, 1))
    journal.subscribe(heard.append)
    for _ in range(HISTORY + 5):
        journal.emit("proxy", "ready")
    journal.close()
    assert len(heard) == HISTORY + 5
    assert len(journal.history) == HISTORY
