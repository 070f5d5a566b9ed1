"""What a child was handed over -> Config, without I/O: the same models validate it once more."""

from collections.abc import Mapping

from pydantic import ValidationError

from ollamon.config.model import Config
from ollamon.errors import HandoverError


def config_of(section: Mapping[str, object]) -> Config:
    """Return the configuration; tables that were not handed over have their defaults.

    Raises:
        HandoverError: With the first key that cannot be used.
    """
    try:
        return Config.model_validate(dict(section))
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(map(str, first["loc"]))
        raise HandoverError(f"cannot use the handover: {path}: {first['msg']}") from None
