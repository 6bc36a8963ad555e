"""The objects that the application opens at its start and that requests share."""

import sys
from dataclasses import dataclass
from typing import Any, get_type_hints

from conf.runtime.exit_codes import ExitCode
from conf.runtime.process import Refused
from conf.settings import secrets, settings
from lakehouse.io.identity.database import Database
from lakehouse.io.identity.knob_audit import audit_knobs, knob_texts
from lakehouse.io.identity.passwords import Passwords
from lakehouse.io.identity.sign_ins import SignIns
from lakehouse.io.identity.tokens import TokenSigner
from lakehouse.io.signing_keys import signing_keys
from lakehouse.io.smtp import MailServer
from lakehouse.signatures import SigningKeys
from serving_api.http.auth import Authenticator, static_principals
from serving_api.http.cursors import Cursors
from serving_api.http.idempotency_store import KeptResponses
from serving_api.http.rate_limits import RateLimits
from serving_api.http.tickets import Tickets
from serving_api.live.quarantine import TABLE as QUARANTINE
from serving_api.live.service import Live
from serving_api.reads.forecasts import served_forecasts
from serving_api.reads.ledger.integrity_checks import IntegrityChecker
from serving_api.reads.operation.balance import BalanceReader
from serving_api.reads.operation.health import KafkaProbe
from serving_api.reads.operation.lag import KafkaLag
from serving_api.reads.review.reviews import ReviewReader
from serving_api.reads.sales_model import SalesModels
from serving_api.reads.snapshots import Snapshots
from serving_api.reads.supported import Symbols, traded_symbols
from serving_api.reads.trading.signals import NewestSignals, newest_signals
from serving_api.writes.alerts import AlertActs
from serving_api.writes.decisions import Decisions
from serving_api.writes.holds import Holds
from serving_api.writes.paper_orders import PaperOrders
from serving_api.writes.publish import RememberingProducer
from serving_api.writes.verification import Verification, mail_server

LEAST_KEY_LENGTH = 16


@dataclass(frozen=True)
class Services:
    """One of each per application; routes get them as dependencies (http/shared.py)."""

    database: Database
    signer: TokenSigner
    authenticator: Authenticator
    limits: RateLimits
    passwords: Passwords
    sign_ins: SignIns
    verification: Verification
    tickets: Tickets
    cursors: Cursors
    snapshots: Snapshots
    integrity: IntegrityChecker
    reviews: ReviewReader
    balance: BalanceReader
    symbols: Symbols
    sales_model: SalesModels
    producer: RememberingProducer
    decisions: Decisions
    holds: Holds
    alert_acts: AlertActs
    signing_keys: SigningKeys
    signals: NewestSignals
    paper_orders: PaperOrders
    live: Live
    kept_responses: KeptResponses
    kafka: KafkaProbe
    lag: KafkaLag

    @property
    def by_type(self) -> dict[Any, Any]:
        """The objects by their type, as dependencies name them (http/shared.py)."""
        return {kind: getattr(self, name) for name, kind in get_type_hints(Services).items()}

    async def close(self) -> None:
        """Finish what is in progress."""
        await self.live.close()
        await self.verification.close()
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
    events: SigningKeys
    cursors: bytes


def open_keys() -> Keys:
    """The keys of this home. Exits 5 when one is missing or too weak: a known key would admit everybody."""
    try:
        cursor_key = secrets().cursor_key
        if len(cursor_key) < LEAST_KEY_LENGTH:
            raise Refused("no secret for cursors: run ./run.sh setup")
        static_principals()
        return Keys(TokenSigner(), signing_keys(), cursor_key.encode())
    except Refused as refusal:
        print(str(refusal), file=sys.stderr)
        raise SystemExit(ExitCode.REFUSED) from None


def open_mail() -> MailServer | None:
    """The mail server for links to people who register. Exits 2 for one that cannot be used."""
    if not settings().identity.verify_email:
        return None
    try:
        return mail_server()
    except ValueError as error:
        print(error, file=sys.stderr)
        raise SystemExit(ExitCode.USAGE) from None


async def open_services() -> Services:
    """Open the tables and the producer; call it in the event loop that serves the requests."""
    keys = open_keys()
    mail = open_mail()
    database = Database()
    await database.migrate()
    await audit_knobs(database, knob_texts(settings()))
    passwords = Passwords()
    authenticator = Authenticator(database, keys.signer)
    tickets = Tickets()
    limits = RateLimits()
    live = Live(authenticator, tickets, database, limits)
    followers = live.feed.followers() | {QUARANTINE: lambda newer: live.quarantine.take(newer, snapshots)}
    snapshots: Snapshots = Snapshots({"gold.forecasts": served_forecasts}, followers)
    live.feed.snapshots = snapshots
    snapshots.start()
    lag = KafkaLag()
    lag.start()
    reviews = ReviewReader(snapshots)
    producer = RememberingProducer()
    signals = newest_signals(snapshots)
    live.follow_trading(snapshots, signals)
    return Services(
        database=database,
        signer=keys.signer,
        authenticator=authenticator,
        limits=limits,
        passwords=passwords,
        sign_ins=SignIns(database, keys.signer, passwords),
        verification=Verification(database, mail),
        tickets=tickets,
        cursors=Cursors(keys.cursors),
        snapshots=snapshots,
        integrity=IntegrityChecker(),
        reviews=reviews,
        balance=BalanceReader(snapshots),
        symbols=traded_symbols(snapshots),
        sales_model=SalesModels(),
        producer=producer,
        signing_keys=keys.events,
        decisions=Decisions(snapshots, reviews, producer, keys.events),
        holds=Holds(),
        alert_acts=AlertActs(snapshots, producer, keys.events),
        signals=signals,
        paper_orders=PaperOrders(snapshots, signals, producer),
        live=live,
        kept_responses=KeptResponses(),
        kafka=KafkaProbe(producer),
        lag=lag,
    )
