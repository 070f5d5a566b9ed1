"""From what each source found to one reading, without I/O.

Views come in order of preference: the first that knows a value gives it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace

from ollamon.helper.collector import View
from ollamon.readings import MAX_GPUS, Cpu, Gpu, Platform, Reading, Soc, State, Thermal


@dataclass(frozen=True, slots=True)
class Frame:
    """What stands around the values of a reading."""

    helper_version: str
    timestamp: str
    uptime_seconds: float
    interval_seconds: float
    platform: Platform


def assemble(frame: Frame, views: Sequence[View]) -> Reading:
    """Put a reading together."""
    return Reading(
        helper_version=frame.helper_version,
        timestamp=frame.timestamp,
        uptime_seconds=round(frame.uptime_seconds, 1),
        interval_seconds=frame.interval_seconds,
        platform=frame.platform,
        gpu=_gpus(views),
        cpu=_cpu(views),
        soc=_soc(views),
        thermal=_thermal(views),
        sources={view.source: replace(view.state, age_seconds=_age(view)) for view in views},
    )


def health(views: Iterable[View]) -> str:
    """Return ok, degraded, or unavailable: sources that this system lacks do not count."""
    states = [view.state.state for view in views if view.state.state is not State.UNAVAILABLE]
    works = [state is State.OK for state in states]
    if not any(works):
        return "unavailable"
    return "ok" if all(works) else "degraded"


def summary(views: Sequence[View]) -> str:
    """Say in one line what is read, and what this system has but does not tell, with the reason."""
    works = [str(view.source) for view in views if view.state.state is State.OK]
    silent = (State.OK, State.UNAVAILABLE, State.STARTING)
    troubles = [f"{v.source}: {v.state.detail}" for v in views if v.state.state not in silent]
    if not works and not troubles:
        return "no hardware source on this machine"
    return "; ".join(["reads " + (", ".join(works) or "nothing"), *troubles])


def _age(view: View) -> float | None:
    age = view.state.age_seconds
    # The proxy tells by it how far apart two samples lie.
    return None if age is None else round(age, 3)


def _first(views: Sequence[View], field: str) -> View | None:
    for view in views:
        if view.found is not None and getattr(view.found, field) is not None:
            return view
    return None


def _oldest(*views: View | None) -> float | None:
    ages = [age for view in views if view is not None and (age := _age(view)) is not None]
    return max(ages, default=None)


def _power(milliwatts: float | None) -> float | None:
    # Finer steps would let a neighbour read secrets out of the power (PLATYPUS).
    return None if milliwatts is None else round(milliwatts, -1)


def _tenth(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _cpu(views: Sequence[View]) -> Cpu:
    power = _first(views, "power_mw") or _first(views, "energy_joules")
    heat = _first(views, "temperature_celsius")
    drawn = power.found if power else None
    felt = heat.found if heat else None
    return Cpu(
        power_mw=_power(drawn.power_mw) if drawn else None,
        energy_joules=_tenth(drawn.energy_joules) if drawn else None,
        temperature_celsius=_tenth(felt.temperature_celsius) if felt else None,
        power_source=power.source if power else None,
        temperature_source=heat.source if heat else None,
        age_seconds=_oldest(power, heat),
    )


def _soc(views: Sequence[View]) -> Soc:
    source = _first(views, "combined_power_mw") or _first(views, "ane_power_mw")
    if source is None or source.found is None:
        return Soc()
    return Soc(
        ane_power_mw=_power(source.found.ane_power_mw),
        ane_energy_joules=_tenth(source.found.ane_energy_joules),
        combined_power_mw=_power(source.found.combined_power_mw),
        age_seconds=_age(source),
    )


def _thermal(views: Sequence[View]) -> Thermal:
    source = _first(views, "pressure")
    if source is None or source.found is None or source.found.pressure is None:
        return Thermal()
    pressure = source.found.pressure
    return Thermal(pressure, pressure.level, source.source, _age(source))


def _gpus(views: Sequence[View]) -> tuple[Gpu, ...]:
    merged: dict[str, Gpu] = {}
    for view in views:
        for gpu in view.found.gpus if view.found else ():
            own = replace(gpu, source=view.source, age_seconds=_age(view))
            merged[gpu.id] = _filled(merged[gpu.id], own) if gpu.id in merged else own
    return tuple(_rounded(gpu) for gpu in list(merged.values())[:MAX_GPUS])


def _filled(first: Gpu, second: Gpu) -> Gpu:
    """The first, with what only the second knows."""
    return replace(
        first,
        **{
            field.name: getattr(second, field.name)
            for field in fields(Gpu)
            if getattr(first, field.name) is None
        },
    )


def _rounded(gpu: Gpu) -> Gpu:
    return replace(
        gpu,
        utilization_percent=_tenth(gpu.utilization_percent),
        power_mw=_power(gpu.power_mw),
        energy_joules=_tenth(gpu.energy_joules),
        temperature_celsius=_tenth(gpu.temperature_celsius),
        frequency_mhz=_tenth(gpu.frequency_mhz),
    )
