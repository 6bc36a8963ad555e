"""What posts add to a forecast: found where they lead prices, not where they do not, and known on time."""

from pathlib import Path

import numpy as np

from ml.sentiment.daily_pressure import SENTIMENT
from scripts.bench.parts.post_skill import forecast_skill, headline_pressure
from scripts.bench.parts.sentiment import posts_and_prices
from scripts.bench.weather_prices import Link
from tests.support.panels import walks


def test_posts_help_a_forecast_where_they_lead_prices_and_not_elsewhere() -> None:
    skills = []
    for link in (Link(0, SENTIMENT, 7, 0.6), None):
        panel = posts_and_prices(3, link)
        skills.append(forecast_skill(panel, panel.exogenous[0].value, [0], 365))
    led, independent = skills
    assert led["skill_pct"] > 5 and led["low_pct"] > 0 and led["p_value"] < 0.05
    assert independent["skill_pct"] < 1 and independent["origins"] == led["origins"] > 200


def test_headlines_are_known_on_the_day_after_them(tmp_path: Path) -> None:
    file = tmp_path / "headlines.csv"
    lines = ("judul,tanggal,sentimen", "Harga bawang merah naik tajam,{0},negatif", "Bank rapat,{1},netral")
    panel = walks(1, 40, ("bawang-merah", "garam"), ("32",))
    days = [str(panel.days[column]).replace("-", "/") for column in (10, 20)]
    file.write_text("\n".join(lines).format(*days))
    pressure = headline_pressure(panel, file)
    assert np.flatnonzero(np.isfinite(pressure[0])).tolist() == list(range(11, 22))
    assert np.flatnonzero(np.nan_to_num(pressure[panel.rows_of("bawang-merah")[0]])).tolist() == [11]
    assert not np.nan_to_num(pressure[panel.rows_of("garam")[0]]).any()
