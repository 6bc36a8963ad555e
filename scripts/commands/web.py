"""`web`: build the web page, and build it again whenever its sources change."""

import time
from typing import Annotated

import typer

from scripts.console import console, new_app
from scripts.stack import web_page

app = new_app(None)
LOOK_SECONDS = 0.5


@app.command()
def web(
    once: Annotated[bool, typer.Option("--once", help="build once and return; exit 3 if that fails")] = False,
) -> None:
    """Build the page of serving_api/web and check its types; then again after every change, until Ctrl-C.

    A running API serves the newest build: reload the page in the browser.
    """
    if once:
        web_page.main()
        return
    console.print("watching serving_api/web (stop with Ctrl-C)")
    tried: str | None = None
    while True:
        sources = web_page.digest()
        if sources != tried:
            tried = sources
            began = time.monotonic()
            try:
                web_page.main()
            except SystemExit as end:
                if end.code != web_page.FAILED:
                    raise
            else:
                console.print(f"built in {time.monotonic() - began:.1f} s")
        time.sleep(LOOK_SECONDS)
