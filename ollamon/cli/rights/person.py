"""For whom rights are given."""

import os
import pwd
from dataclasses import dataclass

from ollamon.errors import PrivilegeError


@dataclass(frozen=True, slots=True)
class Person:
    """Who called sudo, else who we are."""

    name: str
    uid: int

    @classmethod
    def of_this_process(cls) -> "Person":
        """Look it up.

        Raises:
            PrivilegeError: It has no name.
        """
        uid = os.getuid()
        if uid == 0 and os.environ.get("SUDO_UID", "").isdecimal():
            uid = int(os.environ["SUDO_UID"])
        try:
            return cls(pwd.getpwuid(uid).pw_name, uid)
        except KeyError:
            raise PrivilegeError(f"uid {uid} has no name") from None
