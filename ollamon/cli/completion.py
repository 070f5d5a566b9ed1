"""`ollamon completion`: what a shell needs to complete commands, options and children."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import get_completion_class

from ollamon.cli.session import Session, common_options, pass_session

if TYPE_CHECKING:
    from ollamon.cli import shapes

SHELLS = ("bash", "zsh", "fish")
VARIABLE = "_OLLAMON_COMPLETE"


@click.command("completion", short_help="Print what lets your shell complete commands.")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
@common_options
@pass_session
def command(session: Session, shell: str | None) -> None:
    """Print what makes a shell complete commands, options and children.

    \b
    bash:  ollamon completion bash >> ~/.bashrc
    zsh:   ollamon completion zsh >> ~/.zshrc
    fish:  ollamon completion fish > ~/.config/fish/completions/ollamon.fish
    """
    # Only here, since it imports us.
    from ollamon.cli.root import root

    mine = Path(os.environ.get("SHELL", "")).name
    kind = get_completion_class(shell or (mine if mine in SHELLS else SHELLS[0]))
    if kind is None:
        raise click.BadParameter(f"{shell}: click knows no such shell")
    script = kind(root, {}, "ollamon", VARIABLE).source()
    if not session.is_json:
        session.say(script.rstrip("\n"))
    document: shapes.Completion = {"shell": kind.name, "script": script}
    session.answer(document)
