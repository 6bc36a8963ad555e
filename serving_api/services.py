"""The objects that the application opens at its start and that requests share."""

import sys
from dataclasses import dataclass

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused
from conf.settings import secrets
from lakehouse.io.decision_keys import decision_keys
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.passwords import Passwords
from lakehouse.io.identity.sign_ins import SignIns
from lakehouse.io.identity.tokens import TokenSigner
from lakehouse.signatures import DecisionKeys
from serving_api.http.auth import Authenticator, static_principals
from serving_api.http.cursors import Cursors
from serving_api.http.idempotency_store import KeptResponses
from serving_api.http.rate_limits import RateLimits
from serving_api.http.tickets import Tickets
from serving_api.live.service import Live
from serving_api.reads.balance import BalanceReader
from serving_api.reads.forecasts import served_forecasts
from serving_api.reads.health import KafkaProbe
from serving_api.reads.lag import KafkaLag
from serving_api.reads.ledger.integrity_checks import IntegrityChecker
from serving_api.reads.reviews import ReviewReader
from serving_api.reads.sales_model import SalesModel
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.supported import Symbols, traded_symbols
from serving_api.writes.alerts import AlertActs
from serving_api.writes.decisions import Decisions
from serving_api.writes.publish import RememberingProducer

LEAST_KEY_LENGTH = 16


@dataclass(frozen=True)
class Services:
    """One of each per application; routes get them as dependencies (http/dependencies.py)."""

    database: Database
    signer: TokenSigner
    authenticator: Authenticator
    limits: RateLimits
    passwords: Passwords
    sign_ins: SignIns
    tickets: Tickets
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
        await self.database.close()


@dataclass(frozen=True)
class Keys:
    """The keys of this service."""

    signer: TokenSigner
    decisions: DecisionKeys
    cursors: bytes


def open_keys() -> Keys:
    """The keys of this home. Exits 5 when one is missing or too weak: a known key would admit everybody."""
    try:
        cursor_key = secrets().cursor_key
        if len(cursor_key) < LEAST_KEY_LENGTH:
            raise Refused("no secret for cursors: run ./run.sh setup")
        static_principals()
        return Keys(TokenSigner(), decision_keys(), cursor_key.encode())
    except Refused as refusal:
        print(str(refusal), file=sys.stderr)
        raise SystemExit(ExitCode.REFUSED) from None


async def open_services() -> Services:
    """Open the tables and the producer; call it in the event loop that serves the requests."""
    keys = open_keys()
    database = Database()
    await database.migrate()
    passwords = Passwords()
    live = Live()
    snapshots = Snapshots({"gold.forecasts": served_forecasts}, live.feed.followers())
    snapshots.start()
    lag = KafkaLag()
    lag.start()
    reviews = ReviewReader(snapshots)
    producer = RememberingProducer()
    return Services(
        database=database,
        signer=keys.signer,
        authenticator=Authenticator(database, keys.signer),
        limits=RateLimits(),
        passwords=passwords,
        sign_ins=SignIns(database, keys.signer, passwords),
        tickets=Tickets(),
        cursors=Cursors(keys.cursors),
        snapshots=snapshots,
        integrity=IntegrityChecker(),
        reviews=reviews,
        balance=BalanceReader(snapshots),
        symbols=traded_symbols(snapshots),
        sales_model=SalesModel(),
        producer=producer,
        decisions=Decisions(snapshots, reviews, producer, keys.decisions),
        alert_acts=AlertActs(snapshots, producer),
        live=live,
        kept_responses=KeptResponses(),
        kafka=KafkaProbe(producer),
        lag=lag,
    )
