"""`down`: stop the stack."""

from scripts.console import console, new_app
from scripts.stack import lifecycle

app = new_app(None)


@app.command()
def down() -> None:
    """Stop everything: no process and no port stays behind."""
    killed = lifecycle.down()
    console.print(f"down; {len(killed)} processes had to be killed" if killed else "down", markup=False)
