"""The objects that the application opens at its start and that requests share."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

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


def open_keys() -> tuple[TokenSigner, SigningKeys, bytes]:
    """The keys for tokens, events and cursors.

    Exits 5 when one is missing or too weak: a known key would admit everybody.
    """
    try:
        cursor_key = secrets().cursor_key
        if len(cursor_key) < LEAST_KEY_LENGTH:
            raise Refused("no secret for cursors: run ./run.sh setup")
        static_principals()
        return TokenSigner(), signing_keys(), cursor_key.encode()
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


@asynccontextmanager
async def open_services() -> AsyncIterator[dict[Any, Any]]:
    """The objects by their type, as dependencies name them (http/shared.py); what they have begun is finished
    at the end. Enter it in the event loop that serves the requests.
    """
    signer, event_keys, cursor_key = open_keys()
    mail = open_mail()
    database = Database()
    await database.migrate()
    await audit_knobs(database, knob_texts(settings()))
    passwords = Passwords()
    authenticator = Authenticator(database, signer)
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
    verification = Verification(database, mail)
    kept_responses = KeptResponses()
    yield {
        Database: database,
        TokenSigner: signer,
        Authenticator: authenticator,
        RateLimits: limits,
        Passwords: passwords,
        SignIns: SignIns(database, signer, passwords),
        Verification: verification,
        Tickets: tickets,
        Cursors: Cursors(cursor_key),
        Snapshots: snapshots,
        IntegrityChecker: IntegrityChecker(),
        ReviewReader: reviews,
        BalanceReader: BalanceReader(snapshots),
        Symbols: traded_symbols(snapshots),
        SalesModels: SalesModels(),
        RememberingProducer: producer,
        SigningKeys: event_keys,
        Decisions: Decisions(snapshots, reviews, producer, event_keys),
        Holds: Holds(),
        AlertActs: AlertActs(snapshots, producer, event_keys),
        NewestSignals: signals,
        PaperOrders: PaperOrders(snapshots, signals, producer),
        Live: live,
        KeptResponses: kept_responses,
        KafkaProbe: KafkaProbe(producer),
        KafkaLag: lag,
    }
    await live.close()
    await verification.close()
    snapshots.stop()
    lag.stop()
    await producer.close()
    kept_responses.close()
    await database.close()
