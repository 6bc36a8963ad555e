/** What a backtest found: whether it could be luck, then the account by bar, month and trade, and what no simulation knows. */
import { Bars } from "../../chart/Bars.tsx";
import { Curve } from "../../chart/Curve.tsx";
import type { BacktestReport, TestResult } from "../../data/types.ts";
import { barTime, change, figure, monthName, percent, share, whole } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import { ChartOrTable } from "../../ui/ChartOrTable.tsx";
import { column, DataTable, derivedColumn, SaveCsv, type Column } from "../../ui/DataTable.tsx";
import { Facts, type Fact } from "../../ui/Figures.tsx";
import { tradeFacts } from "./facts.ts";
import { depthOf, yearsOf, type Year } from "./months.ts";

type Months = BacktestReport["months"];
type Bin = BacktestReport["pnl_histogram"][number];
type Trade = BacktestReport["trades"][number];
const MONTHS = Array.from({ length: 12 }, (_, month) => month);
/** Why a trade began or ended: a rule by its own name, the rest in words. */
const reasonText = (reason: string): string => textOr(`by_${reason}`, reason);

function chances({ deflated_sharpe, pbo, metrics }: TestResult): Fact[] {
  return [
    [t("deflated_sharpe"), figure(deflated_sharpe)],
    [t("pbo"), figure(pbo)],
    [t("random_beaten"), share(metrics?.random_entries_beaten)],
  ];
}

function gains({ metrics, against_buy_and_hold: held }: TestResult): Fact[] {
  if (!metrics) return [];
  const { benchmark } = metrics;
  const other: Fact = [`${t("unknown_benchmark_return_pct")}: ${textOr(`benchmark_${benchmark}`, benchmark)}`, change(metrics.benchmark_return_pct)];
  return [
    [t("return"), change(metrics.return_pct)],
    [t("return_held"), change(held?.return_pct)],
    ...(benchmark === "buy_and_hold" ? [] : [other]),
    [t("unknown_cagr_pct"), change(metrics.cagr_pct)],
    [t("drawdown"), percent(metrics.max_drawdown_pct)],
    [t("drawdown_held"), percent(held?.max_drawdown_pct)],
    [t("sharpe"), figure(metrics.sharpe)],
    [t("sortino"), figure(metrics.sortino)],
    [t("calmar"), figure(metrics.calmar)],
    [t("turnover"), figure(metrics.turnover)],
    [t("fees_paid"), figure(metrics.fees)],
    ...tradeFacts(metrics, metrics.trades, figure),
  ];
}

/** The account by bar with the same money only held, and below how far it was under its former high. */
function Equity({ bars }: { bars: BacktestReport["bars"] }) {
  const timeOf = barTime(bars.map(({ time }) => time));
  const showX = (seconds: number) => timeOf(new Date(1000 * seconds).toISOString());
  const at = (time: string) => Date.parse(time) / 1000;
  return (
    <>
      <figure>
        <figcaption>{t("curve_both")}</figcaption>
        <Curve points={bars.map(({ time, equity, held }) => ({ x: at(time), y: equity, before: held }))} label={t("curve_both")} names={[t("curve_own"), t("curve_held")]} showX={showX} showY={whole} />
      </figure>
      <figure>
        <figcaption>{t("curve_drawdown")}</figcaption>
        <Curve points={bars.map(({ time, drawdown_pct }) => ({ x: at(time), y: -drawdown_pct }))} label={t("curve_drawdown")} ground={0} showX={showX} showY={percent} />
      </figure>
    </>
  );
}

/** A month with its return on a ground as deep as the return is large; its sign is in the text too. */
function Month({ value, most }: { value: number | null; most: number }) {
  if (value === null) return <>–</>;
  return (
    <span class={value < 0 ? "heat loss" : "heat"} style={{ "--heat": `${depthOf(value, most)}%` }}>
      {change(value)}
    </span>
  );
}

function HeatMap({ months }: { months: Months }) {
  const most = Math.max(0, ...months.map(({ return_pct }) => Math.abs(return_pct ?? 0)));
  const columns: Column<Year>[] = [
    column("year", "year"),
    ...MONTHS.map((month): Column<Year> => ({ name: String(month + 1), title: monthName(month), value: (row) => row.months[month], show: (row) => <Month value={row.months[month]} most={most} /> })),
    column("total", "whole_year", (total) => <b>{change(total)}</b>),
  ];
  return (
    <>
      <h3>{t("monthly")}</h3>
      <DataTable label={t("monthly")} columns={columns} rows={yearsOf(months)} keyOf={(row) => row.year} />
    </>
  );
}

interface HistogramProps {
  bins: Bin[];
  title: string;
  show: (edge: number) => string;
}
/** How many trades lie in each range; losses have another colour and a minus in front. */
function Histogram({ bins, title, show }: HistogramProps) {
  const range = ({ low, high }: Bin) => `${show(low)} … ${show(high)}`;
  const columns: Column<Bin>[] = [derivedColumn("low", "bin", (bin) => bin.low, range), column("trades", "trades_closed", whole)];
  const middle = Math.floor(bins.length / 2);
  const marks = bins.map((bin, nth) => ([0, middle].includes(nth) ? show(bin.low) : ""));
  return (
    <figure>
      <figcaption>{title}</figcaption>
      {bins.length > 0 ? (
        <ChartOrTable label={title} columns={columns} rows={bins} keyOf={range}>
          <Bars bars={bins.map((bin) => ({ parts: bin.high <= 0 ? [0, bin.trades] : [bin.trades], text: `${range(bin)}: ${whole(bin.trades)}` }))} label={title} marks={[...marks.slice(0, -1), show(bins.at(-1)!.high)]} />
        </ChartOrTable>
      ) : (
        <p class="note">{t("no_closed_trade")}</p>
      )}
    </figure>
  );
}

const REASONS: Column<BacktestReport["reasons"][number]>[] = [
  column("entry", "entry", reasonText),
  column("exit", "exit", reasonText),
  column("trades", "trades_closed", whole),
  column("wins", "wins", whole),
  column("net_pnl", "net_pnl", figure),
];

const trades = (time: (iso: string | null) => string): Column<Trade>[] => [
  column("opened_at", "opened_at", time),
  column("closed_at", "closed_at", time),
  column("bars", "bars_held", whole),
  column("quantity", "quantity", figure),
  column("entry_price", "entry_price", figure),
  column("exit_price", "exit_price", figure),
  column("fees", "fees_paid", figure),
  column("net_pnl", "net_pnl", figure),
  column("return_pct", "return", change),
  column("entry", "entry", reasonText),
  column("exit", "exit", reasonText),
];

function Ledger({ symbol, report }: { symbol: string; report: BacktestReport }) {
  const columns = trades(barTime(report.bars.map(({ time }) => time)));
  const { length } = report.trades;
  return (
    <>
      <header class="bar">
        <h3>{t("ledger_of_test")}</h3>
        <SaveCsv file={`backtest-${symbol}`} columns={columns} rows={report.trades} />
      </header>
      {length < report.trades_total && <p class="note">{t("trades_newest", { shown: whole(length), total: whole(report.trades_total) })}</p>}
      <DataTable label={t("ledger_of_test")} columns={columns} rows={report.trades} keyOf={(row) => `${row.opened_at} ${row.closed_at}`} />
    </>
  );
}

function Unknown({ unknown }: { unknown: BacktestReport["unknown"] }) {
  return (
    <>
      <h3>{t("unknown_to_tests")}</h3>
      <ul class="note">
        {unknown.map(({ name, reason }) => (
          <li key={name}>
            <b>{textOr(`unknown_${name}`, textOr(name, name))}</b>: {reason}
          </li>
        ))}
      </ul>
    </>
  );
}

export function Report({ result }: { result: TestResult }) {
  const { report } = result;
  return (
    <div class="report wide">
      <p class={result.profit_claim ? "lead" : "lead grave"}>{result.verdict}</p>
      <Facts facts={chances(result)} />
      <Facts facts={gains(result)} />
      {report && (
        <>
          {report.bars.length > 0 && <Equity bars={report.bars} />}
          {report.months.length > 0 && <HeatMap months={report.months} />}
          <div class="halves">
            <Histogram bins={report.pnl_histogram} title={t("pnl_histogram")} show={figure} />
            <Histogram bins={report.holding_bars} title={t("holding_bars")} show={whole} />
          </div>
          {report.reasons.length > 0 && (
            <>
              <h3>{t("by_reason")}</h3>
              <DataTable label={t("by_reason")} columns={REASONS} rows={report.reasons} keyOf={(row) => `${row.entry} ${row.exit}`} />
            </>
          )}
          {report.trades.length > 0 && <Ledger symbol={result.symbol} report={report} />}
          <Unknown unknown={report.unknown} />
        </>
      )}
    </div>
  );
}
