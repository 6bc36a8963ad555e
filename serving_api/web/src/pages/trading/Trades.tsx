/** Trading on paper: the account, an order with its limits, candles with signals, and every decision so far. */
import { Curve } from "../../chart/Curve.tsx";
import { address, useFeed } from "../../data/feed.ts";
import type { RowOf, TradingDashboard } from "../../data/types.ts";
import { change, day, figure, moment, percent, whole } from "../../i18n/format.ts";
import { hasText, t } from "../../i18n/index.ts";
import { DataTable, saveCsv, type Column } from "../../ui/DataTable.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { CandlePanel } from "./Candles.tsx";
import { OrderPanel } from "./OrderForm.tsx";
import { Facts, Simulated, SymbolChoice, amount, reasonsOf, useDashboard, useSymbol, wonFacts } from "./parts.tsx";

type Position = TradingDashboard["positions"][number];
type Trade = RowOf<"/api/trades/history">;

const HISTORY_MS = 5_000;

const positionColumns = (currency: string, balance: number): Column<Position>[] => [
  { name: "symbol", title: t("symbol"), value: (row) => row.symbol, isText: true },
  { name: "quantity", title: t("quantity"), value: (row) => row.quantity, show: (row) => figure(row.quantity) },
  { name: "average_price", title: t("average_cost"), value: (row) => row.average_price, show: (row) => figure(row.average_price) },
  { name: "market_value", title: t("market_value"), value: (row) => row.market_value, show: (row) => amount(row.market_value, currency) },
  { name: "share", title: t("share_of_account"), value: (row) => (100 * row.market_value) / balance, show: (row) => percent((100 * row.market_value) / balance) },
  { name: "unrealized_pnl", title: t("unrealized"), value: (row) => row.unrealized_pnl, show: (row) => amount(row.unrealized_pnl, currency) },
];

/** The account beside what holding the same symbols would have brought. */
function Account({ dashboard }: { dashboard: TradingDashboard }) {
  const { currency, performance, buy_and_hold: held, equity_history: days } = dashboard;
  const facts: [string, string][] = [
    [t("account_value"), amount(dashboard.balance, currency)],
    [t("balance_cash"), amount(dashboard.cash, currency)],
    [t("pnl"), amount(dashboard.pnl, currency)],
    [t("pnl_held"), amount(held?.pnl, currency)],
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

const tradeColumns = (): Column<Trade>[] => [
  { name: "decided_at", title: t("decided_at"), value: (row) => row.decided_at, show: (row) => moment(row.decided_at), isText: true },
  { name: "symbol", title: t("symbol"), value: (row) => row.symbol, isText: true },
  { name: "side", title: t("side"), value: (row) => row.side, show: (row) => t(`signal_${row.side}`), isText: true },
  { name: "status", title: t("state"), value: (row) => row.status, show: (row) => (hasText(`trade_${row.status}`) ? t(`trade_${row.status}` as "trade_REJECTED") : row.status), isText: true },
  { name: "quantity", title: t("quantity"), value: (row) => row.quantity, show: (row) => figure(row.quantity) },
  { name: "price", title: t("price"), value: (row) => row.price, show: (row) => figure(row.price) },
  { name: "pnl", title: t("pnl"), value: (row) => row.pnl, show: (row) => figure(row.pnl) },
  { name: "exit_price", title: t("exit_price"), value: (row) => row.exit_price, show: (row) => figure(row.exit_price) },
  { name: "confidence", title: t("confidence"), value: (row) => row.confidence, show: (row) => figure(row.confidence) },
  { name: "violations", title: t("refused_because"), value: (row) => reasonsOf(row.oracle, row.violations).join("; "), show: (row) => reasonsOf(row.oracle, row.violations).join("; ") || "–", isText: true },
  { name: "block_hash", title: t("block"), value: (row) => row.block_hash, show: (row) => (row.block_hash ? <code title={row.block_hash}>{row.block_hash.slice(0, 10)}</code> : "–"), isText: true },
];

function History() {
  const feed = useFeed(address("/api/trades/history", { limit: 200 }), HISTORY_MS);
  const save = () => feed.body && saveCsv("lumbung-trades.csv", tradeColumns(), feed.body.items);
  return (
    <Panel
      title={t("trade_history")}
      feed={feed}
      class="full"
      isEmpty={(body) => !body.items.length}
      empty={t("empty_trades")}
      tools={
        <button class="ghost small noprint" disabled={!feed.body?.items.length} onClick={save}>
          {t("csv")}
        </button>
      }
      sql="select * from gold.trades order by decided_at desc limit 200"
    >
      {(body) => <DataTable label={t("trade_history")} columns={tradeColumns()} rows={body.items} keyOf={(row) => row.trade_id} />}
    </Panel>
  );
}

export function Trades() {
  const dashboard = useDashboard();
  const symbol = useSymbol();
  return (
    <>
      <Simulated />
      <SymbolChoice />
      <div class="grid">
        <Panel title={t("account")} feed={dashboard} class="half">
          {(body) => <Account dashboard={body} />}
        </Panel>
        {symbol && <OrderPanel feed={dashboard} symbol={symbol} />}
        {symbol && <CandlePanel key={symbol} symbol={symbol} />}
        <History />
      </div>
    </>
  );
}
