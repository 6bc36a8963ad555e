"""Every verb of ./run.sh. Data goes to stdout, messages to stderr; exit codes: conf/runtime/exit_codes.py."""

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import typer

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import keep_files_private
from lakehouse.reference_files import ReferenceListError

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@dataclass(frozen=True)
class Verb:
    """A verb and the module that answers it, with its own options and its own --help.

    The module's `app` runs in this process. `paths`: arguments that name a file in the caller's folder are
    passed on as absolute paths.
    """

    name: str
    help: str
    elsewhere: str = ""  # a module outside of scripts/commands
    paths: bool = False

    @property
    def module(self) -> str:
        """Dotted name of the module."""
        return self.elsewhere or f"scripts.commands.{self.name}"


VERBS = (
    Verb("up", "Start everything and wait until it is ready. Can be repeated."),
    Verb("down", "Stop everything: no process and no port stays behind."),
    Verb("demo", "From nothing to a live price: start, feed sample data, reconcile."),
    Verb("status", "Processes, lag, rows and freshness of every table."),
    Verb("query", "Run one read-only SELECT over silver and gold."),
    Verb("reconcile", "Check: events in = silver + quarantine + duplicates."),
    Verb("doctor", "Check machine, ports, jars and tables; name remedies."),
    Verb("logs", "Print the last lines of a service's log."),
    Verb("test", "Run style checks, type checks and all tests."),
    Verb("docs", "Write docs/reference and .env.example from their sources."),
    Verb("lock", "Update the lock files of Python packages and jars."),
    Verb("certs", "Make TLS certificates for a laboratory."),
    Verb("mlflow", "Open MLflow's page of runs and models on loopback."),
    Verb("replay", "Replay published files through the CSV reader.", "producers.csv.replay", paths=True),
    Verb(
        "collect",
        "Collect from a source of prices, news, weather or figures; list all of them.",
        "producers.collectors.collect",
        paths=True,
    ),
    Verb("simulate", "Publish events of simulated markets and a shop.", "producers.simulate.simulator"),
    Verb(
        "rebuild",
        "Rebuild silver, gold or the checkpoint from what the lake holds.",
        "streaming_jobs.repair.rebuild",
    ),
    Verb("compact", "Merge small files of tables and remove old ones.", "streaming_jobs.repair.compact"),
    Verb("user", "Create accounts, change roles, sign tokens of this machine."),
    Verb("quarantine", "List, release, reject or correct quarantined events."),
    Verb(
        "replay-quarantine",
        "Evaluate the current rules on quarantined events again.",
        "streaming_jobs.repair.replay_quarantine",
    ),
    Verb(
        "chaos",
        "Kill parts with SIGKILL under load; check that nothing is lost or doubled.",
        "scripts.chaos.__main__",
    ),
    Verb("ledger", "Verify, list or append to the hash chains of prices and trades."),
    Verb("train", "Train and evaluate models, promote the best, forecast.", "ml.train", paths=True),
    Verb("backtest", "Compare models with the naive forecast on past origins.", "ml.backtest", paths=True),
    Verb("bench", "Measure the published figures.", "scripts.bench.__main__"),
)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


@app.command()
def setup() -> None:
    """Install packages, jars, secrets and folders. run.sh does this itself."""


def absolute(text: str) -> str:
    """The absolute path of an argument that names a file or folder; any other argument unchanged.

    Relative paths start at the working directory of the caller of run.sh.
    """
    from conf.settings import settings  # only when it is needed

    path = settings().called_from / Path(text)
    return str(path) if not text.startswith("-") and path.exists() else text


def run_command(commands: typer.Typer, arguments: list[str] | None, name: str) -> None:
    """Run with its help texts in the language of the knob; `arguments` None: those of this process."""
    from lakehouse.io.terminal import translate_help  # imports the settings

    command = typer.main.get_command(commands)
    translate_help(command)
    command(arguments, prog_name=name)


def runner(verb: Verb) -> Callable[[typer.Context], None]:
    """The command that passes all arguments on to the verb's module."""

    def run(context: typer.Context) -> None:
        arguments = [absolute(text) for text in context.args] if verb.paths else context.args
        run_command(importlib.import_module(verb.module).app, arguments, f"./run.sh {verb.name}")

    return run


for _verb in VERBS:
    app.command(_verb.name, help=_verb.help, context_settings=PASS_ON)(runner(_verb))


def main() -> None:
    """Run the verb. Ctrl-C exits with 130."""
    keep_files_private()
    try:
        run_command(app, None, "./run.sh")
    except KeyboardInterrupt:
        raise SystemExit(ExitCode.INTERRUPTED) from None
    except ReferenceListError as error:
        print(error, file=sys.stderr)
        raise SystemExit(ExitCode.USAGE) from None


if __name__ == "__main__":
    main()
