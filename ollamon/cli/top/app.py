"""The terminal's page, with textual."""

import time
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Grid, Vertical
from textual.coordinate import Coordinate
from textual.widgets import DataTable, Footer, Label, Sparkline, Static

from ollamon.cli.top.board import (
    FLIGHT_COLUMNS,
    MODEL_COLUMNS,
    PANEL_COLUMNS,
    Board,
    First,
    Json,
    Row,
    Tile,
)
from ollamon.cli.top.source import Source
from ollamon.errors import OllamonError

MIN_INTERVAL_S = 1.0


TABLES = {"models": MODEL_COLUMNS, "flights": FLIGHT_COLUMNS, "series": PANEL_COLUMNS}


class TileView(Vertical):
    """One tile: title, number, past, note."""

    def __init__(self, tile: Tile) -> None:
        super().__init__(id=f"tile-{tile.id}", classes="tile")
        self._title = Label(tile.title, classes="title")
        self._value = Label(tile.value, classes="value")
        self._spark = Sparkline(list(tile.spark) or None)
        self._note = Label(tile.note, classes="note")

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield from (self._title, self._value, self._spark, self._note)

    def show(self, tile: Tile) -> None:
        """Show new values."""
        sign = {"ok": "", "warn": "▲ ", "down": "✗ "}[tile.level]
        self._value.update(f"{sign}{tile.value}")
        self._note.update(tile.note)
        self._spark.data = list(tile.spark) or None
        self.set_classes(f"tile {tile.level}")


class Top(App[None]):
    """Tiles, loaded models and every series; it asks the dashboard once per interval."""

    CSS: ClassVar[str] = """
    #status { height: 1; padding: 0 1; text-style: bold; }
    #status.ok { color: $success; }
    #status.warn { color: $warning; }
    #status.down { color: $error; }
    #tiles { grid-size: 4; grid-gutter: 0 1; grid-rows: 4; height: auto; padding: 0 1; }
    .tile { height: 4; }
    .title { color: $text-muted; width: 100%; height: 1; }
    .value { text-style: bold; width: 100%; height: 1; }
    .note { color: $text-muted; width: 100%; height: 1; }
    .warn .value { color: $warning; }
    .down .value { color: $error; }
    Sparkline { height: 1; width: 100%; }
    DataTable { height: auto; max-height: 40%; margin: 0 1; }
    #series { height: 1fr; max-height: 100%; }
    #foot { height: 1; padding: 0 1; color: $text-muted; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q", "quit", "Quit"),
        Binding("p", "pause", "Pause"),
        Binding("t", "light", "Light or dark"),
    ]
    ENABLE_COMMAND_PALETTE = False

    def __init__(self, source: Source, first: First) -> None:
        super().__init__()
        self.title = "ollamon"
        self._source = source
        self._board = Board(first)
        self._is_paused = False

    def compose(self) -> ComposeResult:
        """Top to bottom, as people look."""
        yield Static(id="status")
        yield Grid(*(TileView(tile) for tile in self._board.tiles()), id="tiles")
        yield DataTable(id="models", cursor_type="none", zebra_stripes=True)
        yield DataTable(id="flights", cursor_type="none")
        yield DataTable(id="series", cursor_type="row")
        yield Static(id="foot")
        yield Footer()

    def on_mount(self) -> None:
        """Show what is known and begin to ask."""
        for name, columns in TABLES.items():
            for heading, width in columns.items():
                self._table(name).add_column(heading, width=width)
        self._table("series").focus()
        self._show()
        interval = max(MIN_INTERVAL_S, float(self._board.tick.get("interval_s") or 0))
        self.set_interval(interval, self._ask)

    def action_pause(self) -> None:
        """Stop, and go on."""
        self._is_paused = not self._is_paused
        self._show()

    def action_light(self) -> None:
        """Change between light and dark."""
        self.theme = "textual-light" if self.theme != "textual-light" else "textual-dark"

    def _ask(self) -> None:
        if not self._is_paused:
            # A slow dashboard must not freeze the keys.
            self.run_worker(self._fetch, thread=True, exclusive=True)

    def _fetch(self) -> None:
        try:
            tick = self._source.json("/api/metrics")
            flights = self._source.json("/api/requests?limit=1").get("in_flight", [])
        except OllamonError as error:
            self.call_from_thread(self._lose, str(error).partition("\n")[0])
        else:
            self.call_from_thread(self._take, tick, flights)

    def _take(self, tick: Json, flights: list[Json]) -> None:
        self._board.take(tick, flights)
        self._show()

    def _lose(self, reason: str) -> None:
        self._headline("down", f"Connection lost: {reason}")

    def _show(self) -> None:
        level, text = self._board.headline
        self._headline(level, f"{text}{'  paused' if self._is_paused else ''}")
        for tile in self._board.tiles():
            self.query_one(f"#tile-{tile.id}", TileView).show(tile)
        self._fill("models", list(self._board.models()))
        self._fill("flights", list(self._board.flights()))
        self._fill("series", list(self._board.series()))
        at = time.strftime("%H:%M:%S", time.localtime(self._board.tick["t"]))
        self.query_one("#foot", Static).update(f"{at}  {self._board.foot}")

    def _headline(self, level: str, text: str) -> None:
        status = self.query_one("#status", Static)
        status.set_classes(level)
        status.update(text)

    def _fill(self, name: str, rows: list[Row]) -> None:
        """Change cells in place, so that the place in a long table is kept."""
        table = self._table(name)
        table.display = bool(rows)
        if [row.key for row in rows] != [key.value for key in table.rows]:
            table.clear()
            for row in rows:
                table.add_row(*row.cells, key=row.key)
            return
        for at, row in enumerate(rows):
            for column, cell in enumerate(row.cells):
                table.update_cell_at(Coordinate(at, column), cell)

    def _table(self, name: str) -> DataTable[str]:
        return self.query_one(f"#{name}", DataTable)
