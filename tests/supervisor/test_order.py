import pytest

from ollamon.supervisor import order
from ollamon.supervisor.messages import ChildState as S
from ollamon.supervisor.spec import ServiceSpec

PROXY = ServiceSpec("proxy", ("/bin/true",), {})
ENGINE = ServiceSpec("engine", ("/bin/true",), None, after=("proxy", "helper"))
PAGE = ServiceSpec("page", ("/bin/true",), {}, after=("engine", "proxy"))
ALL = (PAGE, ENGINE, PROXY)
NAMES = dict.fromkeys(("page", "engine", "proxy"), S.PENDING)
STORE = ServiceSpec("store", ("/bin/true",), {})
WORKER = ServiceSpec("worker", ("/bin/true",), {}, requires=("store",))
MIRROR = ServiceSpec("mirror", ("/bin/true",), {}, requires=("worker",))
CHAIN = (STORE, WORKER, MIRROR, PROXY)


def lasting(name: str, seconds: float, *after: str, requires: tuple[str, ...] = ()) -> ServiceSpec:
    return ServiceSpec(
        name, ("/bin/true",), {}, after=after, requires=requires, stop_timeout_s=seconds
    )


def test_who_waits_for_nobody_may_start():
    assert order.may_start(PROXY, NAMES, set())


def test_a_service_that_is_off_holds_nobody_up():
    assert order.may_start(ENGINE, NAMES, {"proxy"})
    assert not order.may_start(ENGINE, {**NAMES, "helper": S.PENDING}, {"proxy"})


def test_all_edges_have_to_be_settled():
    assert not order.may_start(PAGE, NAMES, {"proxy"})
    assert order.may_start(PAGE, NAMES, {"proxy", "engine"})


def test_the_end_is_the_start_reversed():
    states = dict.fromkeys(NAMES, S.READY)
    assert [s.name for s in ALL if order.may_stop(s.name, ALL, states)] == ["page"]
    states["page"] = S.STOPPING
    assert not order.may_stop("engine", ALL, states)
    states["page"] = S.STOPPED
    assert order.may_stop("engine", ALL, states)
    assert not order.may_stop("proxy", ALL, states)


def test_what_is_required_has_to_be_usable_now():
    assert not order.may_start(WORKER, {"store": S.BACKOFF}, {"store"})
    assert not order.may_start(WORKER, {}, {"store"})
    assert order.may_start(WORKER, {"store": S.DEGRADED}, set())


def test_hard_edges_take_others_along_in_both_directions():
    assert order.with_dependents(["store"], CHAIN) == ["store", "worker", "mirror"]
    assert order.with_required(["mirror"], CHAIN) == ["store", "worker", "mirror"]
    assert order.with_dependents(["proxy"], ALL) == ["proxy"]


def test_who_is_required_leaves_after_those_that_require_it():
    states = dict.fromkeys(("store", "worker", "mirror", "proxy"), S.READY)
    leaving = {"store", "worker"}
    assert not order.may_leave("store", CHAIN, states, leaving)
    assert order.may_leave("worker", CHAIN, states, leaving)
    # Told, and not yet down.
    assert not order.may_leave("store", CHAIN, {**states, "worker": S.STOPPING}, {"store"})
    assert order.may_leave("store", CHAIN, {**states, "worker": S.PENDING}, {"store"})
    # The one that stays although what it requires goes.
    assert order.may_leave("store", CHAIN, states, {"store"})


@pytest.mark.fault(40)
def test_a_circle_is_refused_and_spelled_out():
    a = ServiceSpec("a", ("/bin/true",), {}, after=("b",))
    b = ServiceSpec("b", ("/bin/true",), {}, after=("a",))
    with pytest.raises(ValueError, match=r"wait for each other: (a -> b -> a|b -> a -> b)"):
        order.check([a, b])


def test_two_of_one_name_are_refused():
    with pytest.raises(ValueError, match="share a name"):
        order.check([PROXY, PROXY])


def test_the_default_shape_is_accepted():
    order.check(ALL)


def test_the_longest_stop_is_the_chain_that_takes_longest_not_that_with_most_links():
    services = [
        lasting("proxy", 30.0),
        lasting("slow", 90.0),
        lasting("history", 15.0, "proxy"),
        lasting("page", 5.0, "history", "slow", "nobody", requires=("proxy",)),
    ]
    chain = order.longest_stop(services)
    assert [each.name for each in chain] == ["page", "slow"]
    assert order.stop_time_s(chain) == 95.0
    assert order.longest_stop([]) == []


def test_who_outlives_another_ends_after_it_although_neither_waited():
    server = ServiceSpec("server", ("/bin/true",), None, outlives=("proxy", "not there"))
    services = (server, PROXY)
    states = {"server": S.PENDING, "proxy": S.PENDING}
    assert order.may_start(server, states, set())
    assert order.may_start(PROXY, states, set())
    states = {"server": S.READY, "proxy": S.READY}
    assert order.may_stop("proxy", services, states)
    assert not order.may_stop("server", services, states)
    assert order.may_stop("server", services, states | {"proxy": S.STOPPED})
    backwards = ServiceSpec("proxy", ("/bin/true",), {}, outlives=("server",))
    with pytest.raises(ValueError, match="wait for each other"):
        order.check((server, backwards))
