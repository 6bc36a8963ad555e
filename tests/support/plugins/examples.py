"""Plugin of pytest: Hypothesis draws the same examples in every run; with `--slow` it searches at random.

`--fast` draws the first quarter of them.
"""

import pytest
from hypothesis import HealthCheck, Phase, settings

SEARCH_FACTOR = 20  # with `--slow`, whose seed stands in the printed command
SHARED_CORES = {"suppress_health_check": [HealthCheck.too_slow], "deadline": None}
USUAL_EXAMPLES = 100
FAST_EXAMPLES = 25
# For examples that are short enough to read as they were drawn.
WITHOUT_SHRINKING = (Phase.explicit, Phase.reuse, Phase.generate)


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile("ci", derandomize=True, database=None, **SHARED_CORES)
    settings.register_profile(
        "search", max_examples=USUAL_EXAMPLES * SEARCH_FACTOR, print_blob=True, **SHARED_CORES
    )
    settings.register_profile("fast", settings.get_profile("ci"), max_examples=FAST_EXAMPLES)
    settings.load_profile("search" if config.option.slow else "fast" if config.option.fast else "ci")


def examples(count: int, **more: object) -> settings:
    """Settings of a test whose examples are dear: `count` of them, or 20 times as many with `--slow`."""
    return settings(max_examples=max(1, count * settings().max_examples // USUAL_EXAMPLES), **more)  # type: ignore[arg-type]
