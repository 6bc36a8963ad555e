"""Deflated Sharpe ratio and probability of overfitting: published example, pure noise, planted skill."""

import numpy as np
import pytest

from lakehouse.trading.significance import (
    confidence_above,
    deflated_sharpe,
    expected_best,
    overfitting_probability,
    probabilistic_sharpe,
    sharpe,
)


def test_published_example_of_the_deflated_sharpe_ratio():
    """Bailey and López de Prado (2014): SR 2.5 a year, 1,250 days, 100 trials of variance 1/2: DSR .9004."""
    best = expected_best(np.sqrt(0.5 / 250), 100)
    assert best == pytest.approx(0.1132, abs=5e-5)
    assert confidence_above(best, 2.5 / np.sqrt(250), 1250, -3, 10) == pytest.approx(0.9004, abs=5e-4)


def test_more_trials_lower_the_confidence_and_one_trial_does_not():
    returns = np.random.default_rng(1).normal(0.001, 0.01, 1000)
    alone = deflated_sharpe(returns, [sharpe(returns)])
    spread = np.random.default_rng(2).normal(0, 0.03, 200)
    assert alone == probabilistic_sharpe(returns, 0.0)
    assert alone is not None
    few, many = (deflated_sharpe(returns, [*spread[:number]]) for number in (5, 200))
    assert few is not None and many is not None and many < few < alone


def test_few_or_constant_returns_give_no_confidence():
    assert probabilistic_sharpe(np.zeros(500), 0.0) is None
    assert probabilistic_sharpe(np.random.default_rng(3).normal(0, 1, 20), 0.0) is None
    assert overfitting_probability(np.zeros((500, 1))) is None
    assert overfitting_probability(np.ones((30, 5))) is None


def test_best_of_pure_noise_is_overfitted_about_half_of_the_time():
    noise = [np.random.default_rng(seed).normal(0, 1, (480, 20)) for seed in range(12)]
    found_by_luck = [overfitting_probability(returns) or 0.0 for returns in noise]
    assert 0.35 < np.mean(found_by_luck) < 0.65


def test_one_variant_with_skill_is_hardly_overfitted():
    returns = np.random.default_rng(4).normal(0, 1, (960, 20))
    returns[:, 7] += 0.3
    probability = overfitting_probability(returns)
    assert probability is not None and probability < 0.01


def test_equal_variants_rank_in_the_middle():
    returns = np.repeat(np.random.default_rng(5).normal(0, 1, (480, 1)), 4, axis=1)
    assert overfitting_probability(returns) == 1.0
