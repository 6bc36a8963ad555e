/** What the trading system did: signals, what the oracle found, blocks of the ledger, results, backtests. */
import { address } from "../../data/feed.ts";
import type { RowOf, SignalItem, TradingDashboard } from "../../data/types.ts";
import { figure, moment, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { param, setParams } from "../../router.ts";
import { column, derivedColumn, type Column } from "../../ui/DataTable.tsx";
import { Facts, type Fact } from "../../ui/Figures.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { Choices } from "../../ui/controls.tsx";
import { Backtests } from "./Backtests.tsx";
import { CandlePanel } from "./Candles.tsx";
import { tradeFacts } from "./facts.ts";
import { SignalChip, Simulated, SymbolChoice, amount, useDashboard, useSymbol } from "./parts.tsx";

const LISTED = 100;
const CLASSES = ["all", "crypto", "equity"] as const;

const SIGNALS: Column<SignalItem>[] = [
  column("bar_time", "bar_time", moment),
  column("symbol", "symbol"),
  column("signal", "signal", (signal) => <SignalChip signal={signal} />),
  column("confidence", "confidence", figure),
  column("risk_score", "risk", whole),
];

function Signals() {
  const given = param("kelas") ?? "all";
  const list = address("/api/v1/ai/signals", { asset_class: given === "all" ? null : given, limit: LISTED });
  const tools = <Choices label={t("asset_class")} options={CLASSES.map((name) => [name, t(`class_${name}`)])} value={given} choose={(name) => setParams({ kelas: name === "all" ? null : name })} />;
  return <TablePanel title={t("signals")} list={list} columns={SIGNALS} keyOf={(row) => row.signal_id} class="half" file="signals" tools={tools} empty={t("empty_signals")} sql="select * from gold.signals order by bar_time desc limit 100" />;
}

type Verification = RowOf<"/api/oracle/verifications">;
const failedChecks = ({ checks }: Verification) => (Object.keys(checks) as (keyof typeof checks)[]).filter((name) => !checks[name]);
const CHECKS: Column<Verification>[] = [
  column("timestamp", "verified_at", moment),
  column("symbol", "symbol"),
  column("result", "outcome", (result) => <span class={result === "VERIFIED" ? "fine" : "grave"}>{result}</span>),
  derivedColumn("failed", "failed_checks", (row) => failedChecks(row).length, (row) => failedChecks(row).map((name) => t(`check_${name}`)).join(", ") || "–"),
];

function Oracle() {
  return (
    <TablePanel title={t("oracle")} list={address("/api/oracle/verifications", { limit: LISTED })} columns={CHECKS} keyOf={(row) => row.verification_id} class="half" file="verifications" empty={t("empty_signals")} sql="select * from gold.verifications order by timestamp desc limit 100">
      {(rows) => <p class="lead">{t("oracle_sentence", { verified: whole(rows.filter((row) => row.result === "VERIFIED").length), of: whole(rows.length) })}</p>}
    </TablePanel>
  );
}

const begin = (hash: string) => <code title={hash}>{hash.slice(0, 12)}</code>;
const BLOCKS: Column<RowOf<"/api/smartcontract/records">>[] = [
  column("block_number", "block", whole),
  column("timestamp", "recorded_at", moment),
  derivedColumn("symbol", "symbol", (row) => row.trade.symbol),
  derivedColumn("status", "state", (row) => row.trade.status),
  column("block_hash", "hash", begin),
  column("previous_hash", "hash_before", begin),
];

function Ledger() {
  return <TablePanel title={t("trade_ledger")} list={address("/api/smartcontract/records", { limit: LISTED })} columns={BLOCKS} keyOf={(row) => String(row.block_number)} class="half" file="trade-ledger" empty={t("empty_blocks")} />;
}

const results = ({ currency, pnl, performance, buy_and_hold }: TradingDashboard): Fact[] => [
  [t("pnl"), amount(pnl, currency)],
  [t("pnl_held"), amount(buy_and_hold?.pnl, currency)],
  [t("pnl_closed"), amount(performance.total_pnl, currency)],
  ...tradeFacts(performance, performance.total_trades, (value) => amount(value, currency)),
];

function Results() {
  const feed = useDashboard();
  return (
    <Panel title={t("results")} feed={feed} class="half">
      {(dashboard) => <Facts facts={results(dashboard)} />}
    </Panel>
  );
}

export function Analytics() {
  const symbol = useSymbol();
  return (
    <>
      <Simulated />
      <SymbolChoice />
      <div class="grid">
        <Results />
        <Oracle />
        <Signals />
        <Ledger />
        {symbol && <CandlePanel key={symbol} symbol={symbol} />}
        <Backtests symbol={symbol} />
      </div>
    </>
  );
}
