"""Fetch the Java libraries by their lock files and compare every jar with its committed sha256."""

import hashlib
import shutil
import sys
import tomllib
from pathlib import Path
from typing import Any, NoReturn

from jgo.maven import MavenContext
from rich.console import Console
from rich.progress import track

from conf.runtime.exit_codes import ExitCode
from conf.settings import REPO

SETS = (REPO / "conf" / "jars" / "spark", REPO / "conf" / "jars" / "kafka")
NETWORK = (
    "check disk and network (behind a proxy: HTTPS_PROXY; if it has a certificate of its own: "
    "REQUESTS_CA_BUNDLE=file.pem), then run ./run.sh setup again"
)


def wanted(folder: Path) -> dict[str, dict[str, Any]]:
    """Name of a jar -> its entry of the folder's lock file: groupId, artifactId, version, sha256."""
    lock = tomllib.loads((folder / "jgo.lock.toml").read_text(encoding="utf-8"))
    return {f"{jar['artifactId']}-{jar['version']}.jar": jar for jar in lock["dependencies"]}


def agrees(jar: Path, entry: dict[str, Any]) -> bool:
    return hashlib.sha256(jar.read_bytes()).hexdigest() == str(entry["sha256"])


def faults(folder: Path) -> list[str]:
    """Differences between the jars on disk and the lock file; empty when there are none."""
    jars = {jar.name: jar for jar in (folder / ".jgo").rglob("*.jar")}
    expected = wanted(folder)
    differences = [f"{folder.name}/{name} is missing" for name in expected if name not in jars]
    differences += [f"{folder.name}/{name} is not in the lock file" for name in jars if name not in expected]
    for name, jar in jars.items():
        if name in expected and not agrees(jar, expected[name]):
            differences.append(f"{folder.name}/{name} does not have the sha256 of the lock file")
    return differences


def fetch(folder: Path, maven: MavenContext) -> None:
    """Remove the jars that differ from the lock file and download those that are missing.

    A jar is moved to its place when its checksum agrees: a download that was cut is never taken for a jar.

    Raises:
        OSError, RuntimeError: a jar could not be downloaded.
        ValueError: a downloaded jar has another checksum.
    """
    expected = wanted(folder)
    for jar in (folder / ".jgo").rglob("*.jar"):
        if jar.name not in expected or not agrees(jar, expected[jar.name]):
            jar.unlink()
    here = {jar.name for jar in (folder / ".jgo").rglob("*.jar")}
    (folder / ".jgo" / "jars").mkdir(parents=True, exist_ok=True)
    missing = [name for name in expected if name not in here]
    console = Console(stderr=True)
    for name in track(
        missing, "      download", console=console, transient=True, disable=not console.is_terminal
    ):
        entry = expected[name]
        component = maven.project(entry["groupId"], entry["artifactId"]).at_version(entry["version"])
        jar = component.artifact().resolve()
        if not agrees(jar, entry):
            raise ValueError(f"{folder.name}/{name} does not have the sha256 of the lock file")
        jar.replace(folder / ".jgo" / "jars" / name)


def fetch_all(downloads: Path) -> None:
    """Fetch both sets. Exits 3 with the remedy when a jar cannot be had, or is not the one that is locked."""
    maven = MavenContext(repo_cache=downloads, local_repos=[], timeout=60)
    for folder in SETS:
        print(f"[4/5] {len(wanted(folder))} jars for {folder.name} by checksum", file=sys.stderr, flush=True)
        try:
            fetch(folder, maven)
        except ValueError as error:
            _missing(str(error), "run ./run.sh setup again; if it happens again, do not trust the source")
        except (OSError, RuntimeError) as error:
            _missing(f"jars/{folder.name} could not be fetched from Maven Central: {error}", NETWORK)


def _missing(problem: str, remedy: str) -> NoReturn:
    print(f"{problem}\n  remedy: {remedy}", file=sys.stderr)
    raise SystemExit(ExitCode.MISSING)


def main() -> None:
    downloads = SETS[0].parent / ".jgo"  # beside the jars, so that they can be moved
    shutil.rmtree(downloads, ignore_errors=True)  # of a set-up that was killed
    try:
        fetch_all(downloads)
    except KeyboardInterrupt:  # run.sh says how to go on
        raise SystemExit(ExitCode.INTERRUPTED) from None
    finally:
        shutil.rmtree(downloads, ignore_errors=True)


if __name__ == "__main__":
    main()
