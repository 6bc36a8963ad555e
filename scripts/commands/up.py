"""`up`: start the stack."""

from scripts.console import console, fail, new_app
from scripts.stack import lifecycle, readiness

app = new_app(None)


@app.command()
def up() -> None:
    """Start everything and wait until it is ready. Services that already run are left alone."""
    try:
        lifecycle.up()
    except lifecycle.StackError as error:
        fail(str(error), error.code)
    console.print(f"ready: {readiness.api_url()}/docs", markup=False)
