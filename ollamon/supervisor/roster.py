"""The children of one stack, and whose turn it is to start or to stop."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from ollamon.errors import ControlError
from ollamon.supervisor import lifecycle, order
from ollamon.supervisor.keeper import Keeper
from ollamon.supervisor.messages import ChildState
from ollamon.supervisor.spec import ServiceSpec
from ollamon.supervisor.verdict import Member


class Roster:
    """Keepers by name; `on_settled` is called whenever it is nobody's turn any more.

    Attributes:
        is_stopping: Everything shall end, and nobody starts.
    """

    def __init__(self, on_settled: Callable[[], None]) -> None:
        self.is_stopping = False
        self._keepers: dict[str, Keeper] = {}
        self._settled: set[str] = set()
        # No longer wanted: these are forgotten when they are down.
        self._retiring: set[str] = set()
        # What to tell a child once those that require it are down.
        self._leaving: dict[str, lifecycle.Event] = {}
        self._on_settled = on_settled
        self._is_advancing = False

    def __iter__(self) -> Iterator[Keeper]:
        return iter(tuple(self._keepers.values()))

    def add(self, keeper: Keeper) -> None:
        """One more."""
        self._keepers[keeper.spec.name] = keeper

    def keeper(self, name: str) -> Keeper:
        """Return one by its name. Raises KeyError: There is none."""
        return self._keepers[name]

    def retire(self, names: Iterable[str]) -> None:
        """Stop children for good, and forget them when they are down; `advance` begins it."""
        for name in names:
            self._retiring.add(name)
            self._leaving[name] = lifecycle.StopRequested()

    def arrange(self, names: Iterable[str]) -> None:
        """Put them into this order; those that are not named come last."""
        order_of = {name: place for place, name in enumerate(names)}
        by_place = sorted(self._keepers, key=lambda name: order_of.get(name, len(order_of)))
        self._keepers = {name: self._keepers[name] for name in by_place}

    def specs(self) -> list[ServiceSpec]:
        """Return what should run."""
        return [keeper.spec for keeper in self]

    def states(self) -> dict[str, ChildState]:
        """Return where each is."""
        return {keeper.spec.name: keeper.state for keeper in self}

    def members(self) -> list[Member]:
        """Return them as the stack sees them; one that shall go is on its way already."""
        return [
            Member(
                keeper.spec.name,
                ChildState.STOPPING if keeper.spec.name in self._leaving else keeper.state,
                keeper.spec.is_essential,
                keeper.note(),
            )
            for keeper in self
        ]

    def start(self, names: Sequence[str]) -> list[str]:
        """Start children and what they require, counters at zero; return who it concerns.

        Raises:
            ControlError: There is none of that name, or everything is stopping.
        """
        chosen = order.with_required(self._known(names, "start"), self.specs())
        for name in chosen:
            self._leaving.pop(name, None)
            self._keepers[name].send(lifecycle.StartRequested())
        self.advance()
        return chosen

    def stop(
        self, names: Sequence[str], *, dependents: bool = True, timeout_s: float | None = None
    ) -> list[str]:
        """Stop children after those that require them; return who it concerns.

        Raises:
            ControlError: As `start`.
        """
        chosen = self._chosen(names, "stop", dependents=dependents)
        for name in chosen:
            self._keepers[name].limit_stop(timeout_s)
        self._leaving.update(dict.fromkeys(chosen, lifecycle.StopRequested()))
        self.advance()
        return chosen

    def restart(self, names: Sequence[str], *, dependents: bool = True) -> list[str]:
        """Restart children at once, counters at zero; those that require them go along.

        Raises:
            ControlError: As `start`.
        """
        chosen = self._chosen(names, "restart", dependents=dependents)
        self._leaving.update(dict.fromkeys(chosen, lifecycle.RestartRequested()))
        self.advance()
        return chosen

    def restart_unless_stopped(self, names: Iterable[str]) -> None:
        """As `restart`; what a person has stopped stays so."""
        stays = [name for name in names if self._keepers[name].state is not ChildState.STOPPED]
        self._leaving.update(
            dict.fromkeys(order.with_dependents(stays, self.specs()), lifecycle.RestartRequested())
        )
        self.advance()

    def changed(self, keeper: Keeper) -> None:
        """A child has another state."""
        if keeper.state in order.SETTLED:
            self._settled.add(keeper.spec.name)
        self.advance()

    def advance(self) -> None:
        """Start or stop whoever's turn it is, until it is nobody's."""
        if self._is_advancing:
            return
        self._is_advancing = True
        try:
            before: dict[str, ChildState] = {}
            while before != self.states():
                before = self.states()
                self._advance_once()
        finally:
            self._is_advancing = False
        self._on_settled()

    def _advance_once(self) -> None:
        for keeper in self:
            name = keeper.spec.name
            if self.is_stopping:
                if order.may_stop(name, self.specs(), self.states()):
                    keeper.send(lifecycle.StopRequested())
            elif name in self._leaving:
                if order.may_leave(name, self.specs(), self.states(), self._leaving):
                    keeper.send(self._leaving.pop(name))
            elif name in self._retiring:
                if keeper.state is ChildState.STOPPED:
                    self._forget(keeper)
            elif keeper.state in (ChildState.PENDING, ChildState.BLOCKED):
                self._look_at_edges(keeper)

    def _forget(self, keeper: Keeper) -> None:
        name = keeper.spec.name
        self._retiring.discard(name)
        self._settled.discard(name)
        del self._keepers[name]
        keeper.release()

    def _look_at_edges(self, keeper: Keeper) -> None:
        states = {member.name: member.state for member in self.members()}
        lost = order.lost_to(keeper.spec, states)
        if lost:
            keeper.send(lifecycle.RequirementLost(f"requires {lost}"))
        elif keeper.state is ChildState.BLOCKED:
            keeper.send(lifecycle.RequirementBack())
        elif order.may_start(keeper.spec, states, self._settled):
            keeper.send(lifecycle.EdgesMet())

    def _chosen(self, names: Sequence[str], verb: str, *, dependents: bool) -> list[str]:
        known = self._known(names, verb)
        return order.with_dependents(known, self.specs()) if dependents else known

    def _known(self, names: Iterable[str], verb: str) -> list[str]:
        if self.is_stopping:
            raise ControlError(f"cannot {verb} {', '.join(names)}: everything is stopping")
        unknown = [name for name in names if name not in self._keepers]
        if unknown:
            raise ControlError(f"cannot {verb} {unknown[0]}: there is {', '.join(self._keepers)}")
        return list(dict.fromkeys(names))
