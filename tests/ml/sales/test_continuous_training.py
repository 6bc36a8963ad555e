"""When a sales round is due, and which rounds `train sales --continuous` starts."""

import threading

import pytest

from ml import schedule
from ml.trainer import Trainer
from tests.support.retail.listings import shop_columns, write_listings


@pytest.mark.usefixtures("lake")
def test_first_round_of_a_small_shop_is_due_once_its_listings_have_arrived() -> None:
    assert schedule.sales_due() is None
    write_listings(shop_columns(1, 45))
    assert [schedule.sales_due() for _ in range(3)] == [None] * 3, "90 states are too few"
    write_listings(shop_columns(2, 300))
    assert schedule.sales_due() is None, "more may be on their way"
    write_listings(shop_columns(3, 20), "toko-b")
    assert schedule.sales_due() is None, "they were"
    assert schedule.sales_due() == "730 new product states"
    assert schedule.sales_due() == "730 new product states", "until the round has run"


@pytest.mark.usefixtures("lake")
def test_later_rounds_are_due_after_a_tenth_more_or_the_knob() -> None:
    write_listings(shop_columns(1, 300))
    schedule.write_note("listings", rows=600)
    assert [schedule.sales_due() for _ in range(2)] == [None, None]
    write_listings(shop_columns(2, 29))
    assert [schedule.sales_due() for _ in range(2)] == [None, None]
    write_listings(shop_columns(3, 1))
    assert [schedule.sales_due() for _ in range(2)] == [None, "60 new product states"]
    schedule.write_note("listings", rows=660)
    write_listings(shop_columns(4, 500))
    assert schedule.sales_due() == "1000 new product states", "at once, although more may be on their way"


@pytest.mark.usefixtures("lake")
def test_continuous_trainer_starts_rounds_for_listings_that_arrive_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rounds: list[list[str]] = []

    def end_well(self: Trainer, arguments: list[str], reason: str) -> None:
        rounds.append(arguments)
        if "--quick" not in arguments:
            schedule.write_note("listings", rows=schedule.listing_count())  # as ml/train.py does

    monkeypatch.setattr(Trainer, "_round", end_well)
    trainer = Trainer(threading.Event(), ["sales"])
    for arriving, due in ((0, 0), (300, 2), (10, 2), (40, 3), (600, 4)):
        if arriving:
            write_listings(shop_columns(arriving, arriving))
        for _ in range(3):
            trainer.run_next()
        assert len(rounds) == due, arriving
    assert rounds == [["sales", "--quick"], *[["sales", "--if-changed"]] * 3]
