"""The verb `backtest`: every model against naive from past origins, as a table and plots; of the lake or of files."""

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console

from conf.process import Refused, hold
from conf.settings import settings
from ml.panel import NothingToLearn, Panel
from ml.progress import Progress

FAILED, USAGE, MISSING, REFUSED = 1, 2, 3, 5


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./run.sh backtest", description=__doc__)
    parser.add_argument("models", nargs="*", help="naive is always among them; without any: knob training.models")
    parser.add_argument("--quick", action="store_true", help="few origins and small models: a minute")
    parser.add_argument("--data", type=Path, help="a folder of wide CSV files or a long CSV (date, commodity, region, price)")
    parser.add_argument("--horizon", type=int, nargs="*", default=(), help="days ahead that the table is about; all without it")
    parser.add_argument("--holdout", metavar="REASON", help="open the final holdout, 13 origins, and put that on record")
    parser.add_argument("--json", action="store_true", help="the figures as JSON on stdout")
    return parser.parse_args(arguments)


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 done, 1 a champion loses to naive, 2 wrong usage, 3 nothing to learn from, 5 a round runs."""
    asked, told = parsed(arguments), Progress()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    os.environ["KERAS_BACKEND"] = "jax"
    try:
        with hold("training", "a training round runs"):
            return _run(asked, told)
    except Refused as refusal:
        told.say(str(refusal))
        return REFUSED
    except NothingToLearn as nothing:
        told.say(f"nothing to learn from: {nothing}")
        return MISSING
    except ValueError as wrong:
        told.say(str(wrong))
        return USAGE


def _panel(asked: argparse.Namespace) -> Panel:
    from ml.eras import judged_panel
    from ml.issuing import known_panel
    from ml.read_panel import read

    whole = read(asked.data, settings().forecast.publishing_lag_days) if asked.data else known_panel(datetime.now(UTC))
    panel = judged_panel(whole)
    if panel is None:
        raise NothingToLearn("there is no price")
    return panel


def _run(asked: argparse.Namespace, told: Progress) -> int:
    from ml.contest import confirmed, try_all
    from ml.origins import LEAST_ORIGINS, planned
    from ml.plots import plots
    from ml.price_round import STATE, Request, wanted
    from ml.rounds import folder

    panel = _panel(asked)
    names = wanted(Request(models=tuple(asked.models), quick=asked.quick))
    origins = len(planned(panel, asked.quick).part(opened=False).origins)
    if origins < LEAST_ORIGINS:
        raise NothingToLearn(f"history gives {origins} origins after a first year, {LEAST_ORIGINS} are needed")
    contest = try_all(panel, [name for name in names if name != "naive"], asked.quick, folder() / STATE, told)
    champions = _champions(contest.judgement, serving=asked.data is None)
    said = f"{len(panel.goods)} commodities, {len(panel.commodities)} series, {origins} origins"
    _show(contest.judgement.cells, contest.judgement.bands, champions, asked, f"Backtest: {said}, holdout closed")
    place = settings().home / "backtest" / f"{datetime.now(UTC):%Y%m%dT%H%M%S}"
    plots(contest.judgement, place)
    told.say(f"plots: {place}")
    if asked.holdout:
        cells, bands, _ = confirmed(contest, list(contest.judgement.cells.models), asked.holdout, told)
        _show(cells, bands, champions, asked, "Final holdout, opened now")
    if asked.data is None and not asked.quick:
        from ml.accuracy import write_accuracy

        write_accuracy(contest.judgement, champions, f"backtest-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    return _verdict(contest.judgement, champions, told)


def _champions(judgement: Any, serving: bool) -> dict[str, str]:  # noqa: ANN401
    """Who serves the lake; of a file, who the gate would let through."""
    passed = {good: one.model for good, one in judgement.champions.items() if one is not None}
    if not serving:
        return passed
    from ml.issuing import standing_champions

    return standing_champions()


def _show(cells: Any, bands: Any, champions: dict[str, str], asked: argparse.Namespace, title: str) -> None:  # noqa: ANN401
    from dataclasses import asdict

    from ml.figures import by_commodity
    from ml.report import table

    horizons = tuple(asked.horizon)
    found = {name: by_commodity(cells, name, bands[name], horizons) for name in bands}
    title += f", {'days ' + ', '.join(map(str, horizons)) if horizons else 'all horizons'}"
    if asked.json:
        flat = {name: {good or "all": asdict(one) for good, one in of.items()} for name, of in found.items()}
        print(orjson.dumps({"title": title, "champions": champions, "figures": flat}, option=orjson.OPT_INDENT_2).decode())
        return
    wide = None if sys.stdout.isatty() else 170
    Console(width=wide, highlight=False).print(table(found, title, champions))


def _verdict(judgement: Any, champions: dict[str, str], told: Progress) -> int:  # noqa: ANN401
    """1 when a commodity's champion did worse than naive on these cells."""
    losing = []
    for good, model in champions.items():
        found = judgement.decisions.get(model, {}).get(good)
        if found is not None and found.figures.skill < 0:
            losing.append(f"{good}: {found.says}")
    for line in losing:
        told.say(f"champion loses to naive, {line}")
    return FAILED if losing else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
