"""Build the web page from serving_api/web into .venv/web with Deno; nothing is done when it is current.

The page is checked against the OpenAPI document of the API in the same tree.
Standard library only: the start script runs it before anything else is imported.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import IO

REPO = Path(__file__).resolve().parents[2]
SOURCES = REPO / "serving_api" / "web"
GEOMETRY = REPO / "conf" / "geo"
API = REPO / "serving_api" / "app.py"
VENV = REPO / ".venv"
BUILT = VENV / "web"
WORK = VENV / "web-build"
CACHE = VENV / "deno"
DIGEST = "sources.sha256"
FAILED = 3  # exit code
PRINT_OPENAPI = "import json; from serving_api.app import app; print(json.dumps(app.openapi()))"
REMEDY = (
    "  remedy: check the network (behind a proxy: HTTPS_PROXY; another npm registry: NPM_CONFIG_REGISTRY), "
    "then run ./run.sh setup again; the API runs without the page"
)
MISFIT_REMEDY = (
    "  remedy: mend what is named above in serving_api/web/src: the API answers otherwise than the page reads"
)


def digest() -> str:
    """The sha256 over names and contents of all sources of the page."""
    total = hashlib.sha256()
    files = [file for folder in (SOURCES, GEOMETRY) for file in folder.rglob("*") if file.is_file()]
    for file in sorted(files):
        total.update(file.relative_to(REPO).as_posix().encode() + b"\0")
        total.update(hashlib.sha256(file.read_bytes()).digest())
    return total.hexdigest()


def built_digest() -> str | None:
    """The digest of the sources that a page was built from; None without a page."""
    file = BUILT / DIGEST
    return file.read_text(encoding="utf-8").strip() if file.is_file() else None


def deno(*arguments: str, folder: Path, output: IO[bytes] | None = None) -> None:
    """Run Deno in a folder, with a cache of its own. Raises CalledProcessError or FileNotFoundError."""
    os.environ["DENO_DIR"] = str(CACHE)
    os.environ["DENO_NO_UPDATE_CHECK"] = "1"
    os.environ["DENO_TLS_CA_STORE"] = "system"
    os.environ["NO_COLOR"] = "1"
    command = [str(VENV / "bin" / "deno"), *arguments]
    # Ctrl-C goes to this process alone: one line, and not what each child was doing.
    subprocess.run(command, cwd=folder, check=True, stdout=output or sys.stderr, start_new_session=True)


def install(folder: Path) -> None:
    """Copy the sources to a folder and install the packages of the lock; an altered checksum is refused."""
    if folder.exists():
        shutil.rmtree(folder)
    shutil.copytree(SOURCES, folder)
    shutil.copytree(GEOMETRY, folder / "geo")
    deno("install", "--frozen", "--quiet", folder=folder)


def bundle(folder: Path) -> None:
    """Build the page in a folder, into its `dist`."""
    install(folder)
    deno("run", "--allow-all", "--no-prompt", "build.mjs", folder=folder)


def check(folder: Path) -> None:
    """Make the types of the API from its OpenAPI document, and check the sources against them."""
    with (folder / "openapi.json").open("wb") as document:
        printing = [sys.executable, "-c", PRINT_OPENAPI]
        subprocess.run(printing, cwd=REPO, check=True, stdout=document, start_new_session=True)
    with (folder / "src" / "data" / "openapi.ts").open("wb") as types:
        generator = ("run", "--allow-all", "--no-prompt", "npm:openapi-typescript", "openapi.json")
        deno(*generator, folder=folder, output=types)
    deno("check", "--quiet", "src", folder=folder)


def build() -> None:
    """Build the page and put it in place. Raises CalledProcessError."""
    try:
        bundle(WORK)
    except subprocess.CalledProcessError:  # a set-up that was killed may leave cut files in the cache
        shutil.rmtree(CACHE, ignore_errors=True)
        bundle(WORK)
    if BUILT.exists():
        shutil.rmtree(BUILT)
    (WORK / "dist").rename(BUILT)


def main() -> None:
    """Build what is not current. Exits 3 when that fails."""
    if built_digest() == digest():
        return
    print("[5/5] web page: npm packages by checksum (17 MB), then its build", file=sys.stderr, flush=True)
    remedy = REMEDY
    try:
        build()
        remedy = MISFIT_REMEDY
        if API.is_file():  # an image sets itself up before the code is copied
            check(WORK)
        (BUILT / DIGEST).write_text(digest() + "\n", encoding="utf-8")
    except KeyboardInterrupt:  # run.sh says how to go on
        raise SystemExit(130) from None
    except (OSError, subprocess.CalledProcessError) as error:
        print(f"the web page could not be built: {error}\n{remedy}", file=sys.stderr)
        raise SystemExit(FAILED) from None


if __name__ == "__main__":
    main()
