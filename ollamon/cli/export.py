"""`ollamon export`: the generated files, for the configuration in force."""

import os
from pathlib import Path

import click

from ollamon.cli.session import Session, common_options, pass_session
from ollamon.errors import OllamonError

WHAT = {
    "prometheus": "scrape configuration",
    "alerts": "alert rules, with the limits of [alerts]",
    "recording": "recording rules, for pages over many machines",
    "grafana": "the dashboard, to import",
    "grafana-datasource": "provisioning of its data source",
    "grafana-provider": "provisioning of the dashboard's folder",
    "schema": "JSON Schema of ollamon.toml",
}
LIST = "\n".join(f"{name:<19} {meaning}" for name, meaning in WHAT.items())
HELP = f"""Print a file for Prometheus, Grafana or an editor, as your configuration wants it.

\b
{LIST}
"""


@click.command("export", help=HELP, short_help="Print a file for Prometheus, Grafana or an editor.")
@click.argument("what", type=click.Choice(list(WHAT)), metavar="WHAT")
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write it there.")
@common_options
@pass_session
def command(session: Session, what: str, output: Path | None) -> None:
    """See `HELP`."""
    from ollamon.artifacts.exports import EXPORTS

    text = EXPORTS[what](session.load().config)
    if output is not None:
        _write(output, text)
        session.say(f"Wrote {output}.")
    elif not session.is_json:
        session.say(text.rstrip("\n"))
    session.answer({"what": what, "file": str(output) if output else None, "text": text})


def _write(path: Path, text: str) -> None:
    """Write it whole or not at all.

    Raises:
        OllamonError: It cannot be written there.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text)
        part.replace(path)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise OllamonError(f"cannot write {path}: {(error.strerror or '').lower()}") from None
