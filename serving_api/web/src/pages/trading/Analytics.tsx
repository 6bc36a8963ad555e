/** What the trading system did: signals, what the oracle found, blocks of the ledger, results, backtests. */
import { address, useFeed } from "../../data/feed.ts";
import type { RowOf, SignalItem, TradingDashboard } from "../../data/types.ts";
import { figure, moment, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { param, setParams } from "../../router.ts";
import { DataTable, type Column } from "../../ui/DataTable.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { Choices } from "../../ui/controls.tsx";
import { Backtests } from "./Backtests.tsx";
import { CandlePanel } from "./Candles.tsx";
import { Facts, SignalChip, Simulated, SymbolChoice, amount, tradeFacts, useDashboard, useSymbol } from "./parts.tsx";

type Verification = RowOf<"/api/oracle/verifications">;
type Block = RowOf<"/api/smartcontract/records">;

const LISTED = 100;
const CLASSES = ["all", "crypto", "equity"] as const;

const signalColumns = (): Column<SignalItem>[] => [
  { name: "bar_time", title: t("bar_time"), value: (row) => row.bar_time, show: (row) => moment(row.bar_time), isText: true },
  { name: "symbol", title: t("symbol"), value: (row) => row.symbol, isText: true },
  { name: "signal", title: t("signal"), value: (row) => row.signal, show: (row) => <SignalChip signal={row.signal} />, isText: true },
  { name: "confidence", title: t("confidence"), value: (row) => row.confidence, show: (row) => figure(row.confidence) },
  { name: "risk_score", title: t("risk"), value: (row) => row.risk_score, show: (row) => whole(row.risk_score) },
];

function Signals() {
  const chosen = param("kelas") ?? "all";
  const feed = useFeed(address("/api/v1/ai/signals", { asset_class: chosen === "all" ? null : chosen, limit: LISTED }));
  const tools = <Choices label={t("asset_class")} options={CLASSES.map((name) => [name, t(`class_${name}`)])} value={chosen} choose={(name) => setParams({ kelas: name === "all" ? null : name })} />;
  return (
    <Panel title={t("signals")} feed={feed} class="half" tools={tools} isEmpty={(body) => !body.items.length} empty={t("empty_signals")} sql="select * from gold.signals order by bar_time desc limit 100">
      {(body) => <DataTable label={t("signals")} columns={signalColumns()} rows={body.items} keyOf={(row) => row.signal_id} />}
    </Panel>
  );
}

const checkColumns = (): Column<Verification>[] => [
  { name: "timestamp", title: t("verified_at"), value: (row) => row.timestamp, show: (row) => moment(row.timestamp), isText: true },
  { name: "symbol", title: t("symbol"), value: (row) => row.symbol, isText: true },
  { name: "result", title: t("outcome"), value: (row) => row.result, show: (row) => <span class={row.result === "VERIFIED" ? "fine" : "grave"}>{row.result}</span>, isText: true },
  {
    name: "failed",
    title: t("failed_checks"),
    value: (row) => Object.values(row.checks).filter((passed) => !passed).length,
    show: (row) =>
      Object.entries(row.checks)
        .filter(([, passed]) => !passed)
        .map(([name]) => t(`check_${name}` as "check_anomaly_free"))
        .join(", ") || "–",
  },
];

function Oracle() {
  const feed = useFeed(address("/api/oracle/verifications", { limit: LISTED }));
  return (
    <Panel title={t("oracle")} feed={feed} class="half" isEmpty={(body) => !body.items.length} empty={t("empty_signals")} sql="select * from gold.verifications order by timestamp desc limit 100">
      {(body) => (
        <>
          <p class="lead">{t("oracle_sentence", { verified: whole(body.items.filter((row) => row.result === "VERIFIED").length), of: whole(body.items.length) })}</p>
          <DataTable label={t("oracle")} columns={checkColumns()} rows={body.items} keyOf={(row) => row.verification_id} />
        </>
      )}
    </Panel>
  );
}

const blockColumns = (): Column<Block>[] => [
  { name: "block_number", title: t("block"), value: (row) => row.block_number, show: (row) => whole(row.block_number) },
  { name: "timestamp", title: t("recorded_at"), value: (row) => row.timestamp, show: (row) => moment(row.timestamp), isText: true },
  { name: "symbol", title: t("symbol"), value: (row) => row.trade.symbol, isText: true },
  { name: "status", title: t("state"), value: (row) => row.trade.status, isText: true },
  { name: "block_hash", title: t("hash"), value: (row) => row.block_hash, show: (row) => <code title={row.block_hash}>{row.block_hash.slice(0, 12)}</code>, isText: true },
  { name: "previous_hash", title: t("hash_before"), value: (row) => row.previous_hash, show: (row) => <code title={row.previous_hash}>{row.previous_hash.slice(0, 12)}</code>, isText: true },
];

function Ledger() {
  const feed = useFeed(address("/api/smartcontract/records", { limit: LISTED }));
  return (
    <Panel title={t("trade_ledger")} feed={feed} class="half" isEmpty={(body) => !body.items.length} empty={t("empty_blocks")}>
      {(body) => <DataTable label={t("trade_ledger")} columns={blockColumns()} rows={body.items} keyOf={(row) => String(row.block_number)} />}
    </Panel>
  );
}

const results = ({ currency, pnl, performance, buy_and_hold }: TradingDashboard): [string, string][] => [
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
