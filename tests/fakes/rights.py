"""Gives and takes rights as the user who runs this: python rights.py ACTION PLACES [INTERVAL].

ACTION is install, uninstall or status; PLACES is JSON, fields of `places.Places`.
"""

import dataclasses
import json
import sys
from pathlib import Path

from ollamon.cli.rights import giving, mac, places, report
from ollamon.cli.rights.asking import Sudo
from ollamon.cli.rights.person import Person
from ollamon.cli.rights.runner import Runner
from ollamon.cli.session import Session
from ollamon.config.model import Helper
from ollamon.errors import OllamonError

action, fields, *rest = sys.argv[1:]
where = dataclasses.replace(
    places.MACOS,
    **{
        key: Path(value) if key == "sudoers" else value for key, value in json.loads(fields).items()
    },
)
helper = Helper.model_validate({"interval": rest[0]} if rest else {})
if action == "status":
    sys.stdout.write(json.dumps(report.document(report.on_mac(helper, "arm64", where, Sudo()))))
    sys.exit()
act = giving.give if action == "install" else giving.take
wanted = mac.OnMac(where, Person.of_this_process(), helper, "arm64")
runner = Runner(where.sudo, may_ask=False)
try:
    sys.exit(act(wanted, runner, Session(), is_sure=True, only_shows=False))
except OllamonError as error:
    sys.stderr.write(f"{error}\n")
    sys.exit(error.exit_code)
