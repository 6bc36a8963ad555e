/** Trading on paper: the account, an order with its limits, candles with signals, and every decision so far. */
import { Curve } from "../../chart/Curve.tsx";
import { address } from "../../data/feed.ts";
import { role } from "../../data/session.ts";
import type { RowOf, TradingDashboard } from "../../data/types.ts";
import { change, day, figure, moment, percent, whole } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import { param, setParams } from "../../router.ts";
import { column, derivedColumn, DataTable, type Column } from "../../ui/DataTable.tsx";
import { Facts, type Fact } from "../../ui/Figures.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { Choices } from "../../ui/controls.tsx";
import { CandlePanel } from "./Candles.tsx";
import { wonFacts } from "./facts.ts";
import { Fates } from "./Fates.tsx";
import { OrderPanel } from "./OrderForm.tsx";
import { Performance } from "./Performance.tsx";
import { HISTORY, HISTORY_MS, Simulated, SymbolChoice, amount, reasonsOf, useDashboard, useSymbol } from "./parts.tsx";

type Position = TradingDashboard["positions"][number];
type Trade = RowOf<"/api/trades/history">;

const positionColumns = (currency: string, balance: number): Column<Position>[] => [
  column("symbol", "symbol"),
  column("quantity", "quantity", figure),
  column("average_price", "average_cost", figure),
  column("market_value", "market_value", (market_value) => amount(market_value, currency)),
  derivedColumn("share", "share_of_account", (row) => (100 * row.market_value) / balance, (row) => percent((100 * row.market_value) / balance)),
  column("unrealized_pnl", "unrealized", (unrealized_pnl) => amount(unrealized_pnl, currency)),
];

/** The account beside what holding the same symbols would have brought. */
function Account({ dashboard }: { dashboard: TradingDashboard }) {
  const { currency, performance, buy_and_hold: held, equity_history: days } = dashboard;
  const facts: Fact[] = [
    [t("account_value"), amount(dashboard.balance, currency)],
    [t("balance_cash"), amount(dashboard.cash, currency)],
    [t("pnl"), amount(dashboard.pnl, currency)],
    [t("pnl_held"), amount(held?.pnl, currency)],
    [t("compared_since"), moment(held?.since)],
    [t("pnl_today"), amount(dashboard.daily_pnl, currency)],
    ...wonFacts(performance, performance.total_trades, (value) => amount(value, currency)),
  ];
  return (
    <>
      <Facts facts={facts} />
      {dashboard.positions.length > 0 && <DataTable label={t("positions")} columns={positionColumns(currency, dashboard.balance)} rows={dashboard.positions} keyOf={(row) => row.symbol} />}
      {days.length > 1 && (
        <figure>
          <figcaption>{t("curve_account")}</figcaption>
          <Curve points={days.map(({ equity }, x) => ({ x, y: equity }))} label={t("curve_account")} showX={(x) => day(days[x]?.date ?? "")} showY={whole} />
        </figure>
      )}
      <h3>{t("held_instead")}</h3>
      <ul class="arrivals">
        {(held?.symbols ?? []).map(({ symbol, since, change_pct }) => (
          <li key={symbol}>
            <span>{t("held_since", { symbol, since: moment(since) })}</span>
            <b>{change(change_pct)}</b>
          </li>
        ))}
      </ul>
      <p class="note">{t(held ? "held_note" : "held_nothing")}</p>
    </>
  );
}

const TRADES: Column<Trade>[] = [
  column("decided_at", "decided_at", moment),
  column("symbol", "symbol"),
  column("side", "side", (side) => t(`signal_${side}`)),
  column("status", "state", (status) => <span class="wrap">{textOr(`trade_${status}`, status)}</span>),
  column("quantity", "quantity", figure),
  column("price", "price", figure),
  column("pnl", "pnl", figure),
  column("exit_price", "exit_price", figure),
  column("confidence", "confidence", figure),
  derivedColumn("violations", "refused_because", (row) => reasonsOf(row.oracle, row.violations).join("; "), (row) => <span class="wrapped">{reasonsOf(row.oracle, row.violations).join("; ") || "–"}</span>),
  column("block_hash", "block", (hash) => (hash ? <code title={hash}>{hash.slice(0, 10)}</code> : "–")),
];

const STATES = ["EXECUTED", "REJECTED"] as const;

/** Orders of the account. Of the house first those that were filled: a lasting signal is refused again at every bar. */
function Orders() {
  const state = param("keadaan") ?? (role.value ? "all" : "EXECUTED");
  const list = state === "all" ? HISTORY : address("/api/trades/history", { limit: 200, status: state });
  const tools = <Choices label={t("state")} options={[["all", t("class_all")], ...STATES.map((name): [string, string] => [name, t(`trade_${name}`)])]} value={state} choose={(keadaan) => setParams({ keadaan })} />;
  return <TablePanel title={t("trade_history")} list={list} everyMs={HISTORY_MS} columns={TRADES} keyOf={(row) => row.trade_id} class="full wide" file="trades" tools={tools} empty={t("empty_trades")} sql={`select * from gold.trades ${state === "all" ? "" : `where status = '${state}' `}order by decided_at desc limit 200`} />;
}

export function Trades() {
  const dashboard = useDashboard();
  const symbol = useSymbol();
  return (
    <>
      <Simulated />
      <SymbolChoice />
      <div class="grid">
        {symbol && <Fates symbol={symbol} />}
        <Panel title={t("account")} feed={dashboard} class="half">
          {(body) => <Account dashboard={body} />}
        </Panel>
        {symbol && <OrderPanel feed={dashboard} symbol={symbol} />}
        {symbol && <CandlePanel key={symbol} symbol={symbol} />}
        <Performance />
        <Orders />
      </div>
    </>
  );
}
