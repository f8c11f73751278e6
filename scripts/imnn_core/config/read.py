"""The configuration as it is read: checked, with its defaults, or refused with a line per fault. Imports no jax."""

from imnn_core.config import messages
from imnn_core.config.run import Config
from imnn_core.store.errors import InputError
from pydantic import ValidationError


def read_config(values: dict) -> Config:
    """The configuration, checked and with its defaults filled in.

    Raises:
        InputError: one line per fault; those between keys come once each key is right by itself.

    """
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise InputError("\n".join(messages.lines(error.errors(), Config))) from None
