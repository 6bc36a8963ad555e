"""Every verb of ./run.sh. Data goes to stdout, messages to stderr; exit codes: conf/runtime/exit_codes.py."""

import importlib
import sys
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import keep_files_private
from lakehouse.reference_files import ReferenceListError

PASS_ON = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@dataclass(frozen=True)
class Verb:
    """A verb and the module that answers it, with its own options and its own --help.

    The module's `app` runs in this process. `examples`: what to type after `./run.sh`, shown by --help.
    `paths`: arguments that name a file in the caller's folder are passed on as absolute paths.
    """

    name: str
    help: str
    examples: tuple[str, ...]
    elsewhere: str = ""  # a module outside of scripts/commands
    paths: bool = False

    @property
    def module(self) -> str:
        """Dotted name of the module."""
        return self.elsewhere or f"scripts.commands.{self.name}"


GROUPS: dict[str, tuple[Verb, ...]] = {
    "Run": (
        Verb("up", "Start everything and wait until it is ready. Can be repeated.", ("up",)),
        Verb("down", "Stop everything: no process and no port stays behind.", ("down",)),
        Verb(
            "demo",
            "From nothing to a live price: start, feed sample data, reconcile.",
            ("demo", "demo --detach", "demo --engine spark"),
        ),
        Verb(
            "status",
            "Whether all is fine, and if not the remedies.",
            ("status", "status --watch", "status --all"),
        ),
        Verb("logs", "Print the last lines of a service's log.", ("logs api -n 100", "logs stream -f")),
        Verb(
            "doctor",
            "Check machine, ports, jars and tables; name remedies.",
            ("doctor", "doctor --all --deep"),
        ),
    ),
    "Look": (
        Verb(
            "prices",
            "Chart of a commodity's prices with its forecast.",
            (
                "prices cabai-rawit-merah",
                'prices "bawang merah" "Jawa Barat" --days 180',
                "prices beras --json",
            ),
        ),
        Verb(
            "query",
            "Run one read-only SELECT over silver and gold.",
            (
                'query "show tables"',
                'query "select commodity, region, price_idr from gold.live_prices limit 10"',
                'query "select * from gold.daily_prices" --output prices.csv',
            ),
        ),
        Verb("reconcile", "Check: events in = silver + quarantine + duplicates.", ("reconcile --json",)),
        Verb(
            "ledger",
            "Verify, list or append to the hash chains of prices and trades.",
            ("ledger verify", "ledger blocks --limit 5"),
        ),
    ),
    "Decide": (
        Verb(
            "quarantine",
            "List, release, reject or correct quarantined events.",
            (
                "quarantine list --kind price",
                "quarantine show ID",
                'quarantine release ID --reason "confirmed by telephone"',
            ),
        ),
        Verb(
            "replay-quarantine",
            "Evaluate the current rules on quarantined events again.",
            ("replay-quarantine --rule price_in_band --dry-run",),
            "streaming_jobs.repair.replay_quarantine",
        ),
        Verb(
            "alerts",
            "List open alerts, acknowledge them.",
            ("alerts list", 'alerts acknowledge ID --note "called the market"'),
        ),
        Verb(
            "devices",
            "List devices; register, approve, rotate or revoke one.",
            (
                "devices list --status pending",
                "devices approve DEV-123",
                "devices revoke DEV-123 --reason lost",
            ),
        ),
        Verb(
            "user",
            "Create accounts, change roles, sign tokens of this machine.",
            ("user create you@example.id --role operator", "user token operator"),
        ),
    ),
    "Bring data": (
        Verb(
            "replay",
            "Replay published files through the CSV reader.",
            ("replay --check downloads", "replay prices.csv --speed 1d/s"),
            "producers.csv.replay",
            paths=True,
        ),
        Verb(
            "collect",
            "Collect from a source of prices, news, weather or figures; list all of them.",
            ("collect", "collect bmkg --once"),
            "producers.collectors.collect",
            paths=True,
        ),
        Verb(
            "simulate",
            "Publish events of simulated markets and a shop.",
            ("simulate", "simulate all --rate 100 --seconds 60"),
            "producers.simulate.simulator",
        ),
    ),
    "Forecast": (
        Verb(
            "train",
            "Train and evaluate models, promote the best, forecast.",
            ("train --quick", "train price --models drift,ets", "train sentiment --data labelled.csv"),
            "ml.train",
            paths=True,
        ),
        Verb(
            "backtest",
            "Compare models with the naive forecast on past origins.",
            ("backtest naive drift --quick --data downloads", "backtest --horizon 1 7"),
            "ml.backtest",
            paths=True,
        ),
        Verb("mlflow", "Open MLflow's page of runs and models on loopback.", ("mlflow",)),
    ),
    "Repair": (
        Verb(
            "rebuild",
            "Rebuild silver, gold or the checkpoint from what the lake holds.",
            ("rebuild silver --dry-run", "rebuild gold --table gold.markets"),
            "streaming_jobs.repair.rebuild",
        ),
        Verb(
            "compact",
            "Merge small files of tables and remove old ones.",
            ("compact",),
            "streaming_jobs.repair.compact",
        ),
    ),
    "Develop": (
        Verb(
            "test",
            "Run style checks, type checks and all tests.",
            ("test --fast", "test tests/lakehouse -k prices"),
        ),
        Verb("web", "Build the web page, and again whenever its sources change.", ("web", "web --once")),
        Verb("docs", "Write docs/reference and .env.example from their sources.", ("docs", "docs --check")),
        Verb(
            "bench", "Measure the published figures.", ("bench throughput latency",), "scripts.bench.__main__"
        ),
        Verb(
            "chaos",
            "Kill parts with SIGKILL under load; check that nothing is lost or doubled.",
            ("chaos --events 20000 --kills 6 --seed 1",),
            "scripts.chaos.__main__",
        ),
        Verb("lock", "Update the lock files of Python packages and jars.", ("lock",)),
        Verb("certs", "Make TLS certificates for a laboratory.", ("certs --host gateway.example.id",)),
    ),
}
VERBS = tuple(verb for verbs in GROUPS.values() for verb in verbs)

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__)


def show_version(is_wanted: bool) -> None:
    """Print the version of pyproject.toml and exit, where it is wanted."""
    if is_wanted:
        file = Path(__file__).parent.with_name("pyproject.toml")
        print(f"lumbung {tomllib.loads(file.read_text(encoding='utf-8'))['project']['version']}")
        raise typer.Exit


@app.callback(help=__doc__)
def options(
    version: Annotated[
        bool,
        typer.Option("--version", is_eager=True, callback=show_version, help="print the version and exit"),
    ] = False,
) -> None:
    """What may be given without a verb."""


@app.command(rich_help_panel="Run")
def setup() -> None:
    """Install packages, jars, secrets and folders. run.sh does this itself."""


def absolute(text: str) -> str:
    """The absolute path of an argument that names a file or folder; any other argument unchanged.

    Relative paths start at the working directory of the caller of run.sh.
    """
    from conf.settings import settings  # only when it is needed

    path = settings().called_from / Path(text)
    return str(path) if not text.startswith("-") and path.exists() else text


def run_command(
    commands: typer.Typer, arguments: list[str] | None, name: str, examples: Sequence[str] = ()
) -> None:
    """Run with its help texts in the language of the knob; `arguments` None: those of this process."""
    from lakehouse.io.terminal import translate_help, translated  # imports the settings

    command: Any = typer.main.get_command(commands)
    translate_help(command)
    if examples:
        command.epilog = "\n".join((translated("Examples:"), *(f"./run.sh {text}" for text in examples)))
    command(arguments, prog_name=name)


def runner(verb: Verb) -> Callable[[typer.Context], None]:
    """The command that passes all arguments on to the verb's module."""

    def run(context: typer.Context) -> None:
        arguments = [absolute(text) for text in context.args] if verb.paths else context.args
        commands = importlib.import_module(verb.module).app
        run_command(commands, arguments, f"./run.sh {verb.name}", verb.examples)

    return run


for _group, _verbs in GROUPS.items():
    for _verb in _verbs:
        app.command(_verb.name, help=_verb.help, context_settings=PASS_ON, rich_help_panel=_group)(
            runner(_verb)
        )


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
