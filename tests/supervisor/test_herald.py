from ollamon.supervisor.herald import Herald
from ollamon.supervisor.journal import Journal
from ollamon.supervisor.messages import ChildState as S
from ollamon.supervisor.output import RotatingFile
from ollamon.supervisor.verdict import Member


class Stack:
    """A herald, the states it sees, and what it said."""

    def __init__(self, tmp_path) -> None:
        self.said: list[tuple[str, str]] = []
        self.states = {"proxy": S.PENDING, "engine": S.PENDING}
        journal = Journal(
            lambda event: self.said.append((event.state, event.detail)),
            RotatingFile(tmp_path / "events", 10**6, 1),
        )
        self.herald = Herald(journal, self.members, 60.0)
        self.close = journal.close

    def members(self) -> list[Member]:
        return [Member(name, state, name == "proxy", "") for name, state in self.states.items()]

    def see(self, **states: S) -> None:
        self.states.update(states)
        self.herald.look()


def test_the_start_is_told_once_and_then_every_change(tmp_path):
    stack = Stack(tmp_path)
    stack.see(proxy=S.STARTING)
    stack.see(proxy=S.BACKOFF)
    assert stack.said == []
    stack.see(proxy=S.READY, engine=S.READY)
    stack.see()
    stack.herald.start_timed_out()
    stack.see(engine=S.BACKOFF)
    stack.see(engine=S.READY)
    stack.close()
    assert stack.said == [("ready", ""), ("degraded", "engine is backoff"), ("ready", "")]


def test_a_child_that_failed_ends_the_wait_for_the_others(tmp_path):
    stack = Stack(tmp_path)
    stack.see(proxy=S.READY, engine=S.FAILED)
    stack.close()
    assert stack.said == [("degraded", "engine is failed")]


def test_a_late_essential_child_is_a_failed_start_and_its_readiness_is_told(tmp_path):
    stack = Stack(tmp_path)
    stack.see(proxy=S.STARTING, engine=S.READY)
    stack.herald.start_timed_out()
    stack.see(proxy=S.READY)
    stack.close()
    late = "not all ready within 60 s: proxy is starting"
    assert stack.said == [("failed", late), ("ready", "")]


def test_a_late_child_that_is_not_essential_degrades(tmp_path):
    stack = Stack(tmp_path)
    stack.see(proxy=S.READY, engine=S.STARTING)
    stack.herald.start_timed_out()
    stack.close()
    assert [state for state, _ in stack.said] == ["degraded"]
