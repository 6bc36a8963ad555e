"""Fetch the Java libraries by their lock files and compare every jar with its committed sha256."""

import hashlib
import subprocess
import sys
import tomllib
from pathlib import Path

from conf.runtime.exit_codes import ExitCode
from conf.settings import REPO

SETS = (REPO / "conf" / "jars" / "spark", REPO / "conf" / "jars" / "kafka")


def wanted(folder: Path) -> dict[str, str]:
    """Jar name -> sha256 as committed in the folder's lock file."""
    lock = tomllib.loads((folder / "jgo.lock.toml").read_text(encoding="utf-8"))
    return {f"{jar['artifactId']}-{jar['version']}.jar": jar["sha256"] for jar in lock["dependencies"]}


def faults(folder: Path) -> list[str]:
    """Differences between the jars on disk and the lock file; empty when there are none."""
    jars = {jar.name: jar for jar in (folder / ".jgo").rglob("*.jar")}
    expected = wanted(folder)
    differences = [f"{folder.name}/{name} is missing" for name in expected if name not in jars]
    differences += [f"{folder.name}/{name} is not in the lock file" for name in jars if name not in expected]
    for name, jar in jars.items():
        if name in expected and hashlib.sha256(jar.read_bytes()).hexdigest() != expected[name]:
            differences.append(f"{folder.name}/{name} does not have the sha256 of the lock file")
    return differences


def fetch(folder: Path) -> None:
    """Resolve and download one set with jgo; the committed lock file stays as it is. Exits 3 on failure."""
    lock = folder / "jgo.lock.toml"
    before = lock.read_bytes()
    done = subprocess.run([sys.executable, "-m", "jgo", "sync"], cwd=folder, stdout=sys.stderr)
    if lock.read_bytes() != before:
        lock.write_bytes(before)
    if done.returncode:
        print(
            f"jars/{folder.name}: could not be fetched from Maven Central\n"
            "  remedy: check the network (behind a proxy: HTTPS_PROXY; if it has a certificate of its own: "
            "REQUESTS_CA_BUNDLE=file.pem), then run ./run.sh setup again",
            file=sys.stderr,
        )
        raise SystemExit(ExitCode.MISSING)


def main() -> None:
    """Fetch both sets as their lock files name them. Exits 3 naming the jars that differ."""
    for folder in SETS:
        print(f"[4/5] {len(wanted(folder))} jars for {folder.name} by checksum", file=sys.stderr, flush=True)
        if faults(folder):
            fetch(folder)
        remaining = faults(folder)
        if remaining:
            print("; ".join(remaining), file=sys.stderr)
            print(
                f"  remedy: delete {folder / '.jgo'} and run ./run.sh setup again; "
                "if it happens again, do not trust the source",
                file=sys.stderr,
            )
            raise SystemExit(ExitCode.MISSING)


if __name__ == "__main__":
    main()
