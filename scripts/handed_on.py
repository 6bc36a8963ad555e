"""Verbs of ./run.sh that a module of another room, or one with options of its own, answers: their arguments go there unread."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

import typer

from conf.settings import REPO, child_environment, settings


@dataclass(frozen=True)
class Verb:
    """`paths`: what names a file where the caller stands is handed on as its whole path."""

    name: str
    module: str
    says: str
    paths: bool = False


VERBS = (
    Verb(
        "replay",
        "producers.csv_replay",
        "Push published files through the CSV door: replay <file|dir> [--format F] [--speed 1d/s|max].",
        paths=True,
    ),
    Verb(
        "simulate", "producers.simulate", "Sample devices over MQTT: simulate 1, 2 or all [--rate N] [--seconds N] [--bad-pct P]."
    ),
    Verb(
        "rebuild",
        "streaming_jobs.rebuild",
        "Make silver (or the checkpoint) anew: rebuild silver | rebuild checkpoint. The stack must be down.",
    ),
    Verb(
        "quarantine",
        "scripts.quarantine",
        "Doubtful events: quarantine list | show ID | release | reject [IDS, or filters] | correct ID, each with --reason.",
    ),
    Verb(
        "replay-quarantine",
        "streaming_jobs.replay_quarantine",
        "Judge quarantined rows again by today's rules: replay-quarantine [--rule R] [--kind K] [--dry-run].",
    ),
    Verb(
        "chaos",
        "scripts.chaos",
        "Kill parts with -9 under load and prove that nothing is lost or doubled: chaos [--events N] [--kills K] [--seed S].",
    ),
    Verb(
        "ledger",
        "scripts.ledger",
        "The chain of what was shown and decided: ledger verify [--chain C] [--json] | ledger blocks | ledger append.",
    ),
    Verb(
        "train",
        "ml.train",
        "Learn, judge, promote who is worthy, forecast: train, train price or train sales, [--quick] [--if-changed].",
    ),
    Verb(
        "backtest",
        "ml.backtest_job",
        "Every model against naive from past origins, as a table and plots: backtest MODELS [--quick] [--data FILE|FOLDER].",
        paths=True,
    ),
    Verb("bench", "scripts.bench", "Measure the figures of the README: bench [NAMES]."),
)


def run_module(name: str, *arguments: str) -> NoReturn:
    """Run a module in the foreground and leave with its exit code."""
    raise typer.Exit(subprocess.run([sys.executable, "-m", name, *arguments], cwd=REPO, env=child_environment()).returncode)


def path(given: str | Path) -> Path:
    """A path as the caller of run.sh meant it."""
    return settings().called_from / given


def register(app: typer.Typer) -> None:
    """Make them verbs of the command line."""
    for verb in VERBS:
        pass_on = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}
        app.command(verb.name, help=verb.says, context_settings=pass_on)(_handed(verb))


def _handed(verb: Verb) -> object:
    def run(context: typer.Context) -> None:
        given = [str(path(a)) if verb.paths and not a.startswith("-") and path(a).exists() else a for a in context.args]
        run_module(verb.module, *given)

    return run
