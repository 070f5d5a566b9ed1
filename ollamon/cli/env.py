"""`ollamon env`: variables that lead clients to the proxy, as a shell reads them."""

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ollamon.cli.addresses import proxy_url
from ollamon.cli.session import Session, common_options, pass_session

if TYPE_CHECKING:
    from ollamon.cli import shapes


@click.command("env", short_help="Print variables that lead clients to the proxy.")
@click.option("--shell", type=click.Choice(["sh", "fish"]), help="Whose words.  [default: $SHELL]")
@click.option(
    "--all",
    "has_all",
    is_flag=True,
    help="Also for clients of OpenAI and Anthropic: they would ask your models for everything.",
)
@common_options
@pass_session
def command(session: Session, shell: str | None, has_all: bool) -> None:
    """Print variables that lead clients to the proxy: eval "$(ollamon env)".

    The address is that of the stack that runs, else that of the configuration.
    """
    url = proxy_url(session)
    variables = {"OLLAMA_HOST": url}
    if has_all:
        variables |= {"OPENAI_BASE_URL": f"{url}/v1", "ANTHROPIC_BASE_URL": url}
    if not session.is_json:
        is_fish = (shell or Path(os.environ.get("SHELL", "")).name) == "fish"
        for name, value in variables.items():
            quoted = shlex.quote(value)
            session.say(f"set -gx {name} {quoted}" if is_fish else f"export {name}={quoted}")
    document: shapes.Env = {"variables": variables}
    session.answer(document)
