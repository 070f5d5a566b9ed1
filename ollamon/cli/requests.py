"""`ollamon requests`: what ended, from the dashboard's file, whether the stack runs or not."""

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import click

from ollamon.cli.session import Session, common_options, pass_session, seconds_of
from ollamon.cli.words import Style, elapsed
from ollamon.config.paths import history_file
from ollamon.errors import HistoryError

LIMIT = 50
MAX_LIMIT = 1_000_000
NOTHING = "\N{EN DASH}"
# What a narrow terminal cuts off stands last.
_HEADER = ("ENDED", "MODEL", "OUTCOME", "TTFT", "TOK/S", "IN", "OUT", "TOOK", "ENDPOINT")
_TO_THE_LEFT = frozenset({"ENDED", "MODEL", "OUTCOME", "ENDPOINT"})


@click.command("requests", short_help="Show the requests that ended: numbers, never texts.")
@click.option(
    "--since",
    "age_s",
    metavar="DURATION",
    callback=seconds_of,
    help="Only those that ended within the last 30m, 6h, 7d.",
)
@click.option("--model", metavar="NAME", help="Only those for this model.")
@click.option("--outcome", metavar="WORD", help="Only those that ended so: ok, client_abort ...")
@click.option(
    "--limit",
    type=click.IntRange(1, MAX_LIMIT),
    default=LIMIT,
    show_default=True,
    help="The newest so many.",
)
@click.option("--demo", "is_demo", is_flag=True, help="Those of `ollamon up --demo`.")
@click.option("--csv", "is_csv", is_flag=True, help="Print CSV; times are UTC.")
@common_options
@pass_session
def command(
    session: Session,
    age_s: float | None,
    model: str | None,
    outcome: str | None,
    limit: int,
    is_demo: bool,
    is_csv: bool,
) -> int:
    """Show the requests that ended, the newest last: numbers, never their text."""
    if is_csv and session.is_json:
        raise click.UsageError("--csv and --json exclude each other")
    place = session.place()
    path = history_file(place.folders.data, is_demo=is_demo)
    chosen = {"model": model, "outcome": outcome}
    since = None if age_s is None else time.time() - age_s
    words = {name: word for name, word in chosen.items() if word is not None}
    rows = _read(path, since, words, limit)
    if is_csv:
        from ollamon.dashboard.history.text import csv_of

        click.echo(csv_of(rows), nl=False)
        return 0
    documents = [row._asdict() for row in rows]
    session.answer({"name": place.name, "requests": documents})
    if not session.is_json:
        session.say(lines_of(documents, session.style()))
    return 0


def _read(path: Path, since: float | None, words: dict[str, str], limit: int) -> list[Any]:
    """Return the rows, the oldest first.

    Raises:
        HistoryError: There is no file, or it cannot be read.
    """
    from ollamon.dashboard.history import file, requests

    if not path.exists():
        raise HistoryError(f"no request was kept yet: there is no {path}")
    try:
        with closing(file.connect_to_read(path)) as connection:
            wanted = requests.Wanted(limit, since=since, words=words)
            return requests.select(connection, wanted)[::-1]
    except sqlite3.Error as error:
        raise HistoryError(f"cannot read {path}: {error}") from None


def lines_of(rows: list[Mapping[str, Any]], style: Style) -> Iterator[str]:
    """A table; times are local, a dash is what is not known."""
    cells = [_HEADER, *map(_cells, rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        aligned = [
            f"{cell:<{width}}" if title in _TO_THE_LEFT else f"{cell:>{width}}"
            for title, cell, width in zip(_HEADER, row, widths, strict=True)
        ]
        yield style.cut("  ".join(aligned).rstrip())


def _cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    rate = row["tokens_per_second"]
    first = row["time_to_first_token_s"]
    return (
        time.strftime("%m-%d %H:%M:%S", time.localtime(row["ended_at"])),
        row["model"],
        row["outcome"],
        NOTHING if first is None else elapsed(first),
        NOTHING if rate is None else f"{rate:.1f}",
        *(NOTHING if row[name] is None else str(row[name]) for name in _TOKENS),
        elapsed(row["duration_s"]),
        row["endpoint"],
    )


_TOKENS = ("prompt_tokens", "generated_tokens")
