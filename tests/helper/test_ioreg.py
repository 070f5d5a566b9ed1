import json

import pytest

from ollamon.helper.collector import FailedError, UnavailableError
from ollamon.helper.collectors import ioreg
from ollamon.helper.collectors.ioreg import Ioreg

ANSWER = """\
+-o AGXAcceleratorG16X  <class AGXAcceleratorG16X, id 0x100000a1b, registered, matched, active>
    {
      "IOClass" = "AGXAcceleratorG16X"
      "PerformanceStatistics" = {"In use system memory (driver)"=0,"Alloc system memory"=9876,\
"Tiler Utilization %"=3,"Renderer Utilization %"=11,"Device Utilization %"=12,\
"In use system memory"=1234567890}
      "gpu-core-count" = 40
    }
"""


def program(folder, text):
    path = folder / "ioreg"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_load_and_memory_are_found_by_their_names():
    (gpu,) = ioreg.parse(ANSWER).gpus
    assert (gpu.id, gpu.integrated, gpu.utilization_percent) == ("apple0", True, 12)
    assert (gpu.memory_used_bytes, gpu.memory_total_bytes) == (1_234_567_890, None)


def test_what_is_missing_is_unknown():
    (gpu,) = ioreg.parse('"In use system memory"=5}').gpus
    assert (gpu.utilization_percent, gpu.memory_used_bytes) == (None, 5)


@pytest.mark.parametrize("text", ["", '"Device Utilization %"=-1', '"Device Utilization %"=1234'])
def test_a_registry_without_a_gpu_is_no_such_source(text):
    with pytest.raises(UnavailableError):
        ioreg.parse(text)


def test_the_program_gets_fixed_arguments_and_nothing_of_our_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "token")
    path = program(
        tmp_path,
        'echo "$@" > "${0%/*}/arguments"; env > "${0%/*}/environment"; cat > "${0%/*}/input"\n'
        f'echo {json.dumps(ANSWER.splitlines()[3])}\npwd > "${{0%/*}}/folder"',
    )
    Ioreg(path).read()
    assert (tmp_path / "arguments").read_text() == "-r -c IOGPU -d 1 -f\n"
    names = {line.partition("=")[0] for line in (tmp_path / "environment").read_text().splitlines()}
    assert names <= {"PATH", "LC_ALL", "PWD", "SHLVL", "_", "OLDPWD"}
    assert (tmp_path / "input").read_text() == ""
    assert (tmp_path / "folder").read_text() == "/\n"


def test_what_the_program_prints_is_read(tmp_path):
    (tmp_path / "answer").write_text(ANSWER)
    found = Ioreg(program(tmp_path, 'cat "${0%/*}/answer"')).collect(0)
    assert found.gpus[0].utilization_percent == 12


def test_a_program_that_fails_is_a_failure(tmp_path):
    with pytest.raises(FailedError):
        Ioreg(program(tmp_path, "exit 3")).read()


def test_a_program_that_hangs_is_ended(tmp_path, monkeypatch):
    monkeypatch.setattr(ioreg, "_TIMEOUT_S", 0.2)
    with pytest.raises(FailedError, match="TimeoutExpired"):
        Ioreg(program(tmp_path, "exec sleep 60")).read()


def test_a_system_without_the_program_has_no_such_source(tmp_path):
    with pytest.raises(UnavailableError):
        Ioreg(tmp_path / "ioreg").read()
