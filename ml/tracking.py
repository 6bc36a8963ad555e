"""MLflow, and the only file that imports it: runs with all that belongs to them, and the registry of champions."""

import importlib.metadata
import json
import logging
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from conf.settings import REPO, settings

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"

import mlflow  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow.pyfunc import PythonModel  # noqa: E402
from mlflow.utils.logging_utils import disable_logging  # noqa: E402

from ml.forecaster import HORIZONS  # noqa: E402
from ml.speakers import Speaker  # noqa: E402

CHAMPION = "champion"
LATEST = "newest"  # MLflow keeps "latest" for itself
PRICE = "price-"  # registered model of a commodity: price-<commodity>
MODEL = "model-"  # registered model of a name: model-<name>
EXPERIMENT = "prices"


@dataclass(frozen=True)
class Champion:
    """Who speaks for a commodity, as the registry has it."""

    commodity: str
    model: str
    version: str
    run_id: str
    uri: str  # of the fitted model; the same for all commodities that one fit serves
    reason: str
    skill: float | None


class Served(PythonModel):  # type: ignore[misc]
    """A fitted forecaster as MLflow keeps it. Through MLflow's own server: rows commodity, region, unit, date, price in."""

    def __init__(self, speaker: Speaker) -> None:
        self.speaker = speaker

    def predict(self, context: object, model_input: pd.DataFrame, params: dict[str, Any] | None = None) -> pd.DataFrame:
        """A frame commodity, region, horizon_days, price_idr from a frame of past prices."""
        from ml.panel_rows import panel_of

        panel = panel_of(model_input, {})
        price = self.speaker.answer(panel, HORIZONS)
        rows = [
            {"commodity": good, "region": region, "horizon_days": ahead, "price_idr": price[row, nth]}
            for row, (good, region) in enumerate(zip(panel.commodities, panel.regions, strict=True))
            for nth, ahead in enumerate(HORIZONS)
        ]
        return pd.DataFrame(rows)


def connect(experiment: str = EXPERIMENT) -> None:
    """Use the store of the settings; make the experiment, its artifacts beside the store unless a server keeps them."""
    logging.getLogger("alembic").setLevel(logging.WARNING)
    disable_logging()  # it tells of each registered version on stderr
    uri = settings().mlflow_uri
    own = not uri.startswith(("http://", "https://"))  # a server keeps artifacts itself
    if own:
        settings().mlflow_dir.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    if mlflow.get_experiment_by_name(experiment) is None:
        place = (settings().mlflow_dir / "artifacts" / experiment).as_uri() if own else None
        mlflow.create_experiment(experiment, artifact_location=place)
    mlflow.set_experiment(experiment)


@contextmanager
def run(name: str, params: Mapping[str, Any], tags: Mapping[str, str]) -> Iterator[str]:
    """One run; yields its id. What raises inside ends it as failed, with the reason as a tag."""
    with mlflow.start_run(run_name=name, tags=dict(tags)) as active:
        mlflow.log_params({key: str(value)[:6000] for key, value in params.items()})
        mlflow.log_dict(environment(), "environment.json")
        try:
            yield active.info.run_id
        except BaseException as error:
            mlflow.set_tag("failure", f"{type(error).__name__}: {error}"[:5000])
            raise


def environment() -> dict[str, Any]:
    """What the run ran on: interpreter, commit, version of every installed package."""
    packages = sorted(f"{d.name}=={d.version}" for d in importlib.metadata.distributions() if d.name)
    try:
        commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPO, capture_output=True, text=True).stdout.strip() or None
    except OSError:
        commit = None  # an image without git
    return {"python": platform.python_version(), "platform": platform.platform(), "commit": commit, "packages": packages}


def metrics(values: Mapping[str, float]) -> None:
    """Figures of the running run; those that are not numbers are left out."""
    mlflow.log_metrics({key: float(value) for key, value in values.items() if value == value})


def tags(values: Mapping[str, str]) -> None:
    mlflow.set_tags(dict(values))


def table(name: str, rows: list[dict[str, Any]]) -> None:
    """`name`.json of the running run, one object a row."""
    mlflow.log_text(json.dumps(rows, indent=1, default=str), f"{name}.json")


def text(name: str, words: str) -> None:
    mlflow.log_text(words, name)


def files(folder: Path, under: str) -> None:
    """Every file of a folder (plots, figures)."""
    mlflow.log_artifacts(str(folder), under)


def keep(speaker: Speaker) -> tuple[str, str]:
    """Log a fitted model with the running run; (its address, its version among all fits of its name)."""
    needs = [f"{name}=={importlib.metadata.version(name)}" for name in ("numpy", "xgboost-cpu", "statsforecast")]
    kept = mlflow.pyfunc.log_model(name=speaker.name, python_model=Served(speaker), pip_requirements=needs)
    made = mlflow.register_model(kept.model_uri, MODEL + speaker.name)
    return str(kept.model_uri), str(made.version)


def show(versions: Mapping[str, str], replaces: bool) -> None:
    """Make these fits the newest of their names; those names that have one already only if it `replaces` them."""
    held = latest()
    for name, version in versions.items():
        if replaces or name not in held:
            mlflow.MlflowClient().set_registered_model_alias(MODEL + name, LATEST, version)


def load(uri: str) -> Speaker:
    """A fitted model by its address."""
    found: Speaker = mlflow.pyfunc.load_model(uri).unwrap_python_model().speaker
    return found


def latest() -> dict[str, str]:
    """Model -> address of its newest fit, worthy or not: what is shown beside the champion."""
    client, found = mlflow.MlflowClient(), {}
    for registered in client.search_registered_models(filter_string=f"name LIKE '{MODEL}%'", max_results=1000):
        if LATEST in registered.aliases:
            found[registered.name.removeprefix(MODEL)] = f"models:/{registered.name}@{LATEST}"
    return found


def promote(commodity: str, model: str, uri: str, run_id: str, reason: str, skill: float | None) -> Champion:
    """Register the fitted model for a commodity and give it the alias; the one before keeps its version."""
    client, name = mlflow.MlflowClient(), PRICE + commodity
    told = {"model": model, "uri": uri, "reason": reason, "run_id": run_id, **({} if skill is None else {"skill": repr(skill)})}
    made = mlflow.register_model(uri, name, tags=told)
    client.set_registered_model_alias(name, CHAMPION, made.version)
    return Champion(commodity, model, str(made.version), run_id, uri, reason, skill)


def demote(commodity: str) -> None:
    """Take the alias away: naive is served until a model is worthy again."""
    mlflow.MlflowClient().delete_registered_model_alias(PRICE + commodity, CHAMPION)


def put_back(commodity: str, champion: Champion | None) -> None:
    """The alias as it stood; None: nobody had it."""
    if champion is None:
        demote(commodity)
    else:
        mlflow.MlflowClient().set_registered_model_alias(PRICE + commodity, CHAMPION, champion.version)


def champions() -> dict[str, Champion]:
    """Commodity -> who has the alias; commodities without one are left out."""
    client, found = mlflow.MlflowClient(), {}
    for registered in client.search_registered_models(filter_string=f"name LIKE '{PRICE}%'", max_results=1000):
        if CHAMPION not in registered.aliases:
            continue
        version = client.get_model_version_by_alias(registered.name, CHAMPION)
        told, good = version.tags, registered.name.removeprefix(PRICE)
        skill = float(told["skill"]) if "skill" in told else None
        found[good] = Champion(good, told["model"], str(version.version), told["run_id"], told["uri"], told["reason"], skill)
    return found
