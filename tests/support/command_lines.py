"""Command lines, run in this process."""

import pytest
import typer


def exit_code(app: typer.Typer, arguments: list[str]) -> int:
    """How the command ends."""
    with pytest.raises(SystemExit) as ended:
        app(arguments)
    return int(ended.value.code or 0)
