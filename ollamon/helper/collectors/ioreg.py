"""Apple GPU load and memory from the I/O registry (macOS, no privilege)."""

import re
import subprocess
from dataclasses import replace
from pathlib import Path

from ollamon.helper.collector import FailedError, UnavailableError
from ollamon.helper.found import APPLE_GPU, Found
from ollamon.helper.process import output_of
from ollamon.readings import Source

PROGRAM = Path("/usr/sbin/ioreg")
_ARGUMENTS = ("-r", "-c", "IOGPU", "-d", "1", "-f")
_TIMEOUT_S = 5.0
_LOAD = re.compile(r'"Device Utilization %"\s*=\s*(\d{1,3})\b')
_MEMORY = re.compile(r'"In use system memory"\s*=\s*(\d{1,15})\b')


class Ioreg:
    """Runs ioreg.

    Args:
        program: Its absolute path.
    """

    source = Source.IOREG
    least_interval_s = 10.0

    def __init__(self, program: Path = PROGRAM) -> None:
        self._program = program

    def collect(self, now: float) -> Found:
        """See `Collector`."""
        return parse(self.read())

    def read(self) -> str:
        """Return what ioreg prints.

        Raises:
            UnavailableError: It is not there.
            FailedError: It fails, or takes longer than 5 s.
        """
        try:
            printed = output_of([str(self._program), *_ARGUMENTS], _TIMEOUT_S)
        except FileNotFoundError:
            raise UnavailableError("this system has no ioreg") from None
        except subprocess.SubprocessError as error:
            raise FailedError(f"ioreg does not answer: {type(error).__name__}") from None
        return printed.decode("ascii", "replace")


def parse(text: str) -> Found:
    """Return the GPU; its memory is the system's, so there is no total.

    Raises:
        UnavailableError: The registry has no GPU of Apple's kind.
    """
    load, memory = _LOAD.search(text), _MEMORY.search(text)
    if load is None and memory is None:
        raise UnavailableError("the I/O registry shows no Apple GPU")
    gpu = replace(
        APPLE_GPU,
        utilization_percent=float(load[1]) if load else None,
        memory_used_bytes=int(memory[1]) if memory else None,
    )
    return Found(gpus=(gpu,))
