/** Backtests of one's own strategy: whether it could be luck stands before what it brought. */
import { useState } from "preact/hooks";
import { Curve } from "../../chart/Curve.tsx";
import { address, refreshShown, useFeed } from "../../data/feed.ts";
import { post, useForm } from "../../data/post.ts";
import { mayAs, request } from "../../data/session.ts";
import type { Address, Backtest, Page } from "../../data/types.ts";
import { change, figure, moment, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { column, derivedColumn, DataTable, type Column } from "../../ui/DataTable.tsx";
import { Facts, type Fact } from "../../ui/Figures.tsx";
import { Panel, ProblemText, SignInLink } from "../../ui/Panel.tsx";
import { tradeFacts } from "./parts.tsx";

const LIST = "/api/v1/backtests";
const LIST_MS = 3_000;
/** Strategies with the values that the form tries. */
const STRATEGIES: Record<string, Record<string, number[]>> = {
  ma_cross: { fast: [5, 10, 20], slow: [20, 50, 100] },
  momentum: { window: [5, 10, 20, 60] },
  rsi_reversion: { period: [7, 14], low: [20, 30], high: [70, 80] },
  bollinger_reversion: { period: [10, 20], width: [1.5, 2, 2.5] },
  breakout: { enter: [10, 20, 55], leave: [10, 20] },
  signal: {},
};
type Name = keyof typeof STRATEGIES;

/** `5, 10` as numbers; what is no number is left out and refused by the API when nothing is left. */
const numbers = (text: string): number[] =>
  text
    .split(/[\s;,]+/)
    .filter(Boolean)
    .map(Number)
    .filter((value) => !Number.isNaN(value));

function OrderForm({ symbol }: { symbol: string }) {
  const [strategy, setStrategy] = useState<Name>("ma_cross");
  const { submit, problem } = useForm(async (fields) => {
    const parameters = Object.fromEntries(Object.keys(STRATEGIES[strategy]).map((name) => [name, numbers(String(fields.get(name)))]));
    const { problem } = await post(LIST, { symbol, strategy, parameters });
    refreshShown(LIST);
    return problem;
  });
  return (
    <form class="fields row" onSubmit={submit}>
      <label>
        {t("strategy")}
        <select value={strategy} onChange={(event) => setStrategy(event.currentTarget.value)}>
          {Object.keys(STRATEGIES).map((name) => (
            <option key={name} value={name}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {Object.entries(STRATEGIES[strategy]).map(([name, values]) => (
        <label key={`${strategy}-${name}`}>
          {name}
          <input name={name} required defaultValue={values.join(", ")} inputMode="decimal" />
        </label>
      ))}
      <button class="solid">{t("backtest_order", { symbol })}</button>
      {problem && <ProblemText problem={problem} />}
    </form>
  );
}

const columns = (open: (row: Backtest) => void): Column<Backtest>[] => [
  {
    name: "created_at",
    title: t("ordered_at"),
    value: (row) => row.created_at,
    show: (row) => (
      <button class="link" onClick={() => open(row)}>
        {moment(row.created_at)}
      </button>
    ),
  },
  column("symbol", "symbol"),
  column("strategy", "strategy"),
  column("status", "state", (status) => t(`job_${status}`)),
  column("trials", "trials", whole),
  column("deflated_sharpe", "deflated_sharpe", figure),
  column("pbo", "pbo", figure),
  derivedColumn("return", "return", (row) => row.metrics?.return_pct ?? null, (row) => change(row.metrics?.return_pct)),
  derivedColumn("held", "return_held", (row) => row.against_buy_and_hold?.return_pct ?? null, (row) => change(row.against_buy_and_hold?.return_pct)),
];

const points = (values: number[]) => values.map((y, x) => ({ x, y }));

function Result({ backtest }: { backtest: Backtest }) {
  const held = backtest.against_buy_and_hold;
  if (backtest.status === "failed") return <p class="grave">{backtest.detail}</p>;
  if (!backtest.metrics || !backtest.equity || !held) return <p role="status">{t(`job_${backtest.status}`)}</p>;
  const metrics = backtest.metrics;
  const facts: Fact[] = [
    [t("deflated_sharpe"), figure(backtest.deflated_sharpe)],
    [t("pbo"), figure(backtest.pbo)],
    [t("random_beaten"), figure(metrics.random_entries_beaten)],
    [t("return"), change(metrics.return_pct)],
    [t("return_held"), change(held.return_pct)],
    [t("drawdown"), change(metrics.max_drawdown_pct === null ? null : -metrics.max_drawdown_pct)],
    [t("turnover"), figure(metrics.turnover)],
    [t("fees_paid"), figure(metrics.fees)],
    ...tradeFacts(metrics, metrics.trades, figure),
  ];
  return (
    <div aria-live="polite">
      <p class={backtest.profit_claim ? "lead" : "lead grave"}>{backtest.verdict}</p>
      <Facts facts={facts} />
      <div class="halves">
        <figure>
          <figcaption>{t("curve_own")}</figcaption>
          <Curve points={points(backtest.equity)} label={t("curve_own")} showX={() => ""} showY={whole} />
        </figure>
        <figure>
          <figcaption>{t("curve_held")}</figcaption>
          <Curve points={points(held.equity)} label={t("curve_held")} showX={() => ""} showY={whole} />
        </figure>
      </div>
    </div>
  );
}

export function Backtests({ symbol }: { symbol: string | null }) {
  const signedIn = mayAs("user");
  const feed = useFeed(signedIn ? (address(LIST, { limit: 50 }) as Address<Page<Backtest>>) : null, LIST_MS);
  const [opened, setOpened] = useState<Backtest | null>(null);
  const open = async (row: Backtest) => {
    const response = await request(`${LIST}/${row.id}`).catch(() => null);
    if (response?.ok) setOpened(await response.json());
  };
  if (!signedIn) {
    return (
      <section class="card full" aria-labelledby="backtests">
        <h2 id="backtests">{t("backtests")}</h2>
        <p>{t("backtests_note")}</p>
        <SignInLink class="solid" />
      </section>
    );
  }
  return (
    <Panel title={t("backtests")} feed={feed} class="full" needs="user">
      {(body) => (
        <>
          <p class="note">{t("backtests_note")}</p>
          {symbol && <OrderForm symbol={symbol} />}
          {body.items.length > 0 && <DataTable label={t("backtests")} columns={columns((row) => void open(row))} rows={body.items} keyOf={(row) => row.id} />}
          {opened && <Result backtest={opened} />}
        </>
      )}
    </Panel>
  );
}
