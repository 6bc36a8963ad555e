"""The variables of an environment that tests enter are those of Python alone."""

import ctypes
import os
from pathlib import Path

from conf.settings import settings
from tests.support.api import Environment, new_stack


def test_entering_an_environment_changes_no_variable_of_c(tmp_path: Path) -> None:
    """A library that reads them in another thread at that moment would end the process."""
    of_c = ctypes.CDLL(None).getenv
    of_c.restype = ctypes.c_char_p
    before, outside = of_c(b"LUMBUNG_HOME"), dict(os.environ)
    assert before != os.fsencode(tmp_path)
    with Environment(new_stack(tmp_path)).entered():
        assert settings().home == tmp_path and os.environ["LUMBUNG_HOME"] == str(tmp_path)
        assert of_c(b"LUMBUNG_HOME") == before
    assert dict(os.environ) == outside and settings().home != tmp_path
