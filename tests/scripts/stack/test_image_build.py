"""The image is built as the compose file does, and holds what its commands need."""

import shutil
import subprocess
from pathlib import Path

import pytest

from conf.settings import REPO

BASE = "python:3.11-slim-bookworm"  # as the Dockerfile names it
# Also in a container without cgroups and network bridges of its own.
ISOLATION = ("--isolation=chroot", "--network=host")


def podman(*arguments: str, seconds: int = 1500) -> subprocess.CompletedProcess[str]:
    command = ["podman", *arguments]
    return subprocess.run(command, cwd=REPO, capture_output=True, text=True, timeout=seconds)


@pytest.mark.slow
@pytest.mark.timeout(1600)
def test_image_builds_and_holds_environment_and_jars() -> None:
    if shutil.which("podman") is None:
        pytest.skip("no podman on the PATH (Debian: apt install podman): the image is not built")
    if podman("image", "exists", BASE).returncode and podman("pull", "-q", BASE, seconds=300).returncode:
        pytest.skip(
            f"the base image {BASE} is neither stored nor can it be pulled, so the image is not built"
        )
    name = "localhost/lumbung:built-by-a-test"
    try:
        built = podman("build", *ISOLATION, "--pull=never", "-t", name, "-f", "Dockerfile", ".")
        assert built.returncode == 0, (built.stdout + built.stderr)[-4000:]
        mounted = podman("image", "mount", name)
        assert mounted.returncode == 0, mounted.stderr
        root = Path(mounted.stdout.strip())
        assert (root / "lumbung/.venv/bin/python").is_symlink() and (root / "lumbung/run.sh").exists()
        assert len(list((root / "lumbung/conf/jars").rglob("*.jar"))) > 50
        assert not (root / "lumbung/var").exists()
    finally:
        podman("image", "umount", name)
        podman("rmi", "-f", name)
