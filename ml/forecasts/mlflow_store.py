"""The only module that imports MLflow: runs with parameters, metrics and files, and the model registry."""

import importlib.metadata
import json
import logging
import os
import platform
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from conf.settings import REPO, settings

os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["DO_NOT_TRACK"] = "true"

import mlflow  # noqa: E402
import pandas as pd  # noqa: E402
from mlflow.pyfunc.model import PythonModel  # noqa: E402
from mlflow.utils.logging_utils import disable_logging  # noqa: E402

from ml.forecasts import model_files  # noqa: E402
from ml.forecasts.fitted_model import Champion, FittedModel  # noqa: E402
from ml.models.forecaster import HORIZONS  # noqa: E402

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CHAMPION = "champion"
NEWEST = "newest"  # MLflow reserves "latest"
PRICE = "price-"  # registered model of a commodity: price-<commodity>
MODEL = "model-"  # registered model of a name: model-<name>
EXPERIMENT = "prices"


class ServedForecaster(PythonModel):
    """A fitted model as MLflow saves it. MLflow's own server can predict with it."""

    def __init__(self, fitted: FittedModel) -> None:
        self.fitted = fitted

    def predict(
        self, context: object, model_input: pd.DataFrame, params: dict[str, Any] | None = None
    ) -> pd.DataFrame:
        """Columns commodity, region, horizon_days, price_idr from commodity, region, unit, date, price."""
        from ml.data.from_rows import panel_from_rows

        panel = panel_from_rows(model_input, {})
        price = self.fitted.predict(panel, HORIZONS)
        rows = [
            {"commodity": commodity, "region": region, "horizon_days": horizon, "price_idr": price[row, nth]}
            for row, (commodity, region) in enumerate(zip(panel.commodities, panel.regions, strict=True))
            for nth, horizon in enumerate(HORIZONS)
        ]
        return pd.DataFrame(rows)


def connect(experiment: str = EXPERIMENT) -> None:
    """Use the store of the settings and create the experiment.

    Its artifacts are kept with the store, unless a server keeps them.
    """
    logging.getLogger("alembic").setLevel(logging.WARNING)
    disable_logging()  # type: ignore[no-untyped-call]  # it reports each registered version on stderr
    uri = settings().mlflow_uri
    is_local = not uri.startswith(("http://", "https://"))
    if is_local:
        settings().mlflow_dir.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(uri)
    if mlflow.get_experiment_by_name(experiment) is None:
        location = (settings().mlflow_dir / "artifacts" / experiment).as_uri() if is_local else None
        mlflow.create_experiment(experiment, artifact_location=location)
    mlflow.set_experiment(experiment)


@contextmanager
def start_run(
    experiment: str, params: Mapping[str, Any], tags: Mapping[str, str], subject: str = ""
) -> Iterator[str]:
    """One run, named by experiment, subject and time; yields its id.

    An exception inside ends it as failed, with the reason as the tag `failure`.
    """
    connect(experiment)
    name = " ".join(filter(None, (experiment, subject, f"{datetime.now(UTC):%Y-%m-%d %H:%M}")))
    with mlflow.start_run(run_name=name, tags=dict(tags)) as active:
        mlflow.log_params({key: str(value)[:6000] for key, value in params.items()})
        mlflow.log_dict(environment(), "environment.json")
        try:
            yield active.info.run_id
        except BaseException as error:
            mlflow.set_tag("failure", f"{type(error).__name__}: {error}"[:5000])
            raise


def environment() -> dict[str, Any]:
    """Interpreter, platform, commit, and the version of every installed package."""
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "commit": _commit(),
        "packages": _packages(),
    }


@cache
def _packages() -> list[str]:
    """Read once a process, and each package's text once: `name` and `version` would each parse it again."""
    texts = [distribution.metadata for distribution in importlib.metadata.distributions()]
    return sorted(f"{text['Name']}=={text['Version']}" for text in texts if text["Name"])


def _commit() -> str | None:
    """The checked-out commit; None in an image without git."""
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=REPO, capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() or None


def log_metrics(values: Mapping[str, float]) -> None:
    """Metrics of the active run; NaN is left out."""
    mlflow.log_metrics({key: float(value) for key, value in values.items() if value == value})


def set_tags(values: Mapping[str, str]) -> None:
    """Tags of the active run."""
    mlflow.set_tags(dict(values))


def log_table(name: str, rows: list[dict[str, Any]]) -> None:
    """`name`.json of the active run, one object a row."""
    mlflow.log_text(json.dumps(rows, indent=1, default=str), f"{name}.json")


def log_files(folder: Path, artifact_path: str) -> None:
    """Every file of a folder."""
    mlflow.log_artifacts(str(folder), artifact_path)


def log_model_file(name: str, content: bytes) -> None:
    """A file of this content in the folder `model` of the active run."""
    mlflow.log_stream(BytesIO(content), f"model/{name}")


def log_plot(name: str, figure: "Figure") -> None:
    """A figure as `name`.png in the folder `plots` of the active run."""
    mlflow.log_figure(figure, f"plots/{name}.png", save_kwargs={"dpi": 120})


def save_model(fitted: FittedModel) -> tuple[str, str]:
    """Log a fitted model with the active run; (its URI, its version among all fits of its name)."""
    needs = [
        f"{name}=={importlib.metadata.version(name)}" for name in ("numpy", "xgboost-cpu", "statsforecast")
    ]
    logged = mlflow.pyfunc.log_model(
        name=fitted.name, python_model=ServedForecaster(fitted), pip_requirements=needs
    )
    model_files.note(fitted.name, _files(logged.model_uri))
    version = mlflow.register_model(logged.model_uri, MODEL + fitted.name)
    return str(logged.model_uri), str(version.version)


def load_model(uri: str) -> FittedModel:
    """A fitted model by its URI. Raises UnknownFiles, before it is unpickled, when it is not as saved."""
    files = _files(uri)
    model_files.check(files)
    fitted: FittedModel = mlflow.pyfunc.load_model(str(files)).unwrap_python_model().fitted
    return fitted


def _files(uri: str) -> Path:
    """The folder of a saved model; from a remote store it is downloaded."""
    return Path(mlflow.artifacts.download_artifacts(uri))


def set_newest(versions: Mapping[str, str], replaces: bool) -> None:
    """Make these fits the newest of their names. Without `replaces`, names that have a newest fit keep it."""
    current = newest_models()
    for name, version in versions.items():
        if replaces or name not in current:
            mlflow.MlflowClient().set_registered_model_alias(MODEL + name, NEWEST, version)


def newest_models() -> dict[str, str]:
    """Model -> URI of its newest fit, whether it passed the gate or not."""
    registered = mlflow.MlflowClient().search_registered_models(
        filter_string=f"name LIKE '{MODEL}%'", max_results=1000
    )
    return {
        entry.name.removeprefix(MODEL): f"models:/{entry.name}@{NEWEST}"
        for entry in registered
        if NEWEST in entry.aliases
    }


def promote(commodity: str, model: str, uri: str, run_id: str, reason: str, skill: float | None) -> Champion:
    """Register the fitted model for a commodity and give it the alias.

    Earlier champions keep their version.
    """
    name = PRICE + commodity
    tags = {"model": model, "uri": uri, "reason": reason, "run_id": run_id}
    if skill is not None:
        tags["skill"] = repr(skill)
    registered = mlflow.register_model(uri, name, tags=tags)
    mlflow.MlflowClient().set_registered_model_alias(name, CHAMPION, registered.version)
    return Champion(commodity, model, str(registered.version), run_id, uri, reason, skill)


def demote(commodity: str) -> None:
    """Remove the alias: naive serves until a model passes the gate again."""
    mlflow.MlflowClient().delete_registered_model_alias(PRICE + commodity, CHAMPION)


def restore(commodity: str, champion: Champion | None) -> None:
    """Give the alias back to an earlier champion; None: remove it."""
    if champion is None:
        demote(commodity)
    else:
        mlflow.MlflowClient().set_registered_model_alias(PRICE + commodity, CHAMPION, champion.version)


def champions() -> dict[str, Champion]:
    """Commodity -> champion; commodities without one are left out."""
    client = mlflow.MlflowClient()
    registered = client.search_registered_models(filter_string=f"name LIKE '{PRICE}%'", max_results=1000)
    served: dict[str, Champion] = {}
    for entry in registered:
        if CHAMPION not in entry.aliases:
            continue
        version = client.get_model_version_by_alias(entry.name, CHAMPION)
        tags = version.tags
        commodity = entry.name.removeprefix(PRICE)
        served[commodity] = Champion(
            commodity,
            tags["model"],
            str(version.version),
            tags["run_id"],
            tags["uri"],
            tags["reason"],
            float(tags["skill"]) if "skill" in tags else None,
        )
    return served
