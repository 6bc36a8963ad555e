"""Programs that end at Ctrl-C, also where the tests run in the background and ignore it."""

import sys

# A process that ignores SIGINT hands that down to its children. `preexec_fn` crashes beside threads.
RESET = "import os, signal, sys; signal.signal(2, signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])"


def heeding(*command: str) -> list[str]:
    """The command, run with the default of SIGINT."""
    return [sys.executable, "-c", RESET, *command]
