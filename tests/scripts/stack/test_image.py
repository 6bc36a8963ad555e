"""The files that the Dockerfile copies before set-up are enough for set-up."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from conf.settings import REPO, child_environment


def test_set_up_imports_only_files_that_the_image_has_by_then(tmp_path: Path) -> None:
    before_set_up = (REPO / "Dockerfile").read_text(encoding="utf-8").split("RUN LUMBUNG_HOME")[0]
    for copied in re.findall(r"^COPY (.+)$", before_set_up, re.MULTILINE):
        *sources, target = copied.split()
        for source in sources:
            if (REPO / source).is_dir():
                ignored = shutil.ignore_patterns(".jgo", "__pycache__")
                shutil.copytree(REPO / source, tmp_path / target, ignore=ignored)
            else:
                (tmp_path / target).mkdir(parents=True, exist_ok=True)
                shutil.copy(REPO / source, tmp_path / target)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import scripts.stack.jars as j, scripts.stack.secrets_file; print(j.__file__)",
        ],
        cwd=tmp_path,
        env=child_environment(PYTHONPATH=""),
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(str(tmp_path))
