"""The objects that the application opens at its start and that requests share."""

import sys
from dataclasses import dataclass

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused
from lakehouse.io.decision_keys import decision_keys
from lakehouse.signatures import DecisionKeys
from serving_api.http.auth import Bearers
from serving_api.http.cursors import Cursors
from serving_api.http.idempotency_store import KeptResponses
from serving_api.live.service import Live
from serving_api.reads.balance import BalanceReader
from serving_api.reads.forecasts import served_forecasts
from serving_api.reads.health import KafkaProbe
from serving_api.reads.integrity_checks import IntegrityChecker
from serving_api.reads.lag import KafkaLag
from serving_api.reads.reviews import ReviewReader
from serving_api.reads.sales_model import SalesModel
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.supported import Symbols, traded_symbols
from serving_api.writes.alerts import AlertActs
from serving_api.writes.decisions import Decisions
from serving_api.writes.publish import RememberingProducer


@dataclass(frozen=True)
class Services:
    """One of each per application; routes get them as dependencies (http/dependencies.py)."""

    bearers: Bearers
    cursors: Cursors
    snapshots: Snapshots
    integrity: IntegrityChecker
    reviews: ReviewReader
    balance: BalanceReader
    symbols: Symbols
    sales_model: SalesModel
    producer: RememberingProducer
    decisions: Decisions
    alert_acts: AlertActs
    live: Live
    kept_responses: KeptResponses
    kafka: KafkaProbe
    lag: KafkaLag

    async def close(self) -> None:
        """Finish what is in progress."""
        await self.live.close()
        self.integrity.stop()
        self.snapshots.stop()
        self.lag.stop()
        await self.producer.close()
        self.kept_responses.close()


def keys_of_decisions() -> DecisionKeys:
    """The keys that sign decisions. Exits 5 without one."""
    try:
        return decision_keys()
    except Refused as refusal:
        print(str(refusal), file=sys.stderr)
        raise SystemExit(ExitCode.REFUSED) from None


def open_services() -> Services:
    """Open the tables and the producer; call it in the event loop that serves the requests."""
    bearers = Bearers()
    keys = keys_of_decisions()
    live = Live()
    snapshots = Snapshots({"gold.forecasts": served_forecasts}, live.feed.followers())
    snapshots.start()
    lag = KafkaLag()
    lag.start()
    reviews = ReviewReader(snapshots)
    producer = RememberingProducer()
    return Services(
        bearers=bearers,
        cursors=Cursors(bearers.cursor_key),
        snapshots=snapshots,
        integrity=IntegrityChecker(),
        reviews=reviews,
        balance=BalanceReader(snapshots),
        symbols=traded_symbols(snapshots),
        sales_model=SalesModel(),
        producer=producer,
        decisions=Decisions(snapshots, reviews, producer, keys),
        alert_acts=AlertActs(snapshots, producer),
        live=live,
        kept_responses=KeptResponses(),
        kafka=KafkaProbe(producer),
        lag=lag,
    )
