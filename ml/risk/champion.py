"""The file of the risk model that serves: plain JSON, so that loading it runs no code."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import orjson

from conf.runtime.status_files import write_bytes
from conf.settings import settings
from ml.risk.model import RiskModel


@dataclass(frozen=True)
class RiskChampion:
    """A model that passed the gate."""

    model: RiskModel
    run_id: str
    fitted_until: date  # the last day of the fit; risks are issued for later ones
    budget_level: float  # risk (0 to 1) that 5 % of the evaluated cases exceed

    def to_bytes(self) -> bytes:
        """The content of its file."""
        about = {"run_id": self.run_id, "fitted_until": self.fitted_until, "budget_level": self.budget_level}
        return orjson.dumps({**about, "model": self.model.to_json()})


def champion_file() -> Path:
    """Where it is kept; a rebuild of the lake leaves it."""
    return settings().state_dir / "models" / "risk.json"


def save_champion(champion: RiskChampion) -> None:
    """Replace the model that serves."""
    champion_file().parent.mkdir(parents=True, exist_ok=True)
    write_bytes(champion_file(), champion.to_bytes())


def remove_champion() -> None:
    """No model serves any more."""
    champion_file().unlink(missing_ok=True)


def load_champion() -> RiskChampion | None:
    """The model that serves; None while there is none."""
    if not champion_file().exists():
        return None
    saved = orjson.loads(champion_file().read_bytes())
    saved["model"] = RiskModel.from_json(saved["model"])
    saved["fitted_until"] = date.fromisoformat(saved["fitted_until"])
    return RiskChampion(**saved)
