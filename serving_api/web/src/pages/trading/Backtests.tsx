/** Backtests of one's own strategy: ordered, followed while they run, and reported at an address of their own. */
import { useEffect, useState } from "preact/hooks";
import { address, useFeed } from "../../data/feed.ts";
import { NO_NETWORK, problemOf } from "../../data/problem.ts";
import { mayAs, request } from "../../data/session.ts";
import type { Address, Backtest, Page, Problem } from "../../data/types.ts";
import { change, duration, figure, moment, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { linkTo, param } from "../../router.ts";
import { column, derivedColumn, DataTable, saveFile, type Column } from "../../ui/DataTable.tsx";
import { Panel, ProblemText, SignInLink } from "../../ui/Panel.tsx";
import { useNow } from "../../ui/now.ts";
import { strategyText } from "./facts.ts";
import { LIST, OrderTest } from "./OrderTest.tsx";
import { Report } from "./Report.tsx";

const LIST_MS = 3_000;
const hasEnded = ({ status }: Backtest) => status === "succeeded" || status === "failed";

const COLUMNS: Column<Backtest>[] = [
  derivedColumn("created_at", "ordered_at", (row) => row.created_at, (row) => <a href={linkTo("/analytics", { uji: row.id })}>{moment(row.created_at)}</a>),
  column("symbol", "symbol"),
  column("strategy", "strategy", strategyText),
  column("status", "state", (status) => t(`job_${status}`)),
  column("trials", "trials", whole),
  column("deflated_sharpe", "deflated_sharpe", figure),
  column("pbo", "pbo", figure),
  derivedColumn("return", "return", (row) => row.metrics?.return_pct ?? null, (row) => change(row.metrics?.return_pct)),
  derivedColumn("held", "return_held", (row) => row.against_buy_and_hold?.return_pct ?? null, (row) => change(row.against_buy_and_hold?.return_pct)),
];

/** That a test waits or runs, and since when. */
function Progress({ backtest }: { backtest: Backtest }) {
  const now = useNow(1_000);
  const text = t(`test_${backtest.status === "running" ? "running" : "queued"}`, { age: duration(Math.max(0, now - Date.parse(backtest.created_at)) / 1000) });
  return (
    <div role="status">
      <p>{text}</p>
      <progress aria-label={text} />
    </div>
  );
}

function Result({ backtest }: { backtest: Backtest }) {
  if (backtest.status === "failed") return <p class="grave">{backtest.detail}</p>;
  return hasEnded(backtest) ? <Report result={backtest} /> : <Progress backtest={backtest} />;
}

/** The test of the address. */
function ChosenTest({ id }: { id: string }) {
  const feed = useFeed(address("/api/v1/backtests/{backtest_id}", { backtest_id: id }) as Address<Backtest & { meta?: undefined }>, LIST_MS);
  const title = feed.body ? t("report_of", { symbol: feed.body.symbol, strategy: strategyText(feed.body.strategy) }) : t("backtest_report");
  const [problem, setProblem] = useState<Problem | null>(null);
  const isThere = feed.body !== null;
  useEffect(() => document.getElementById("uji")?.scrollIntoView(), [isThere]); // it is below the other panels
  const save = async () => {
    const response = await request(`${LIST}/${id}/report.html`).catch(() => null);
    setProblem(response ? (response.ok ? null : await problemOf(response)) : NO_NETWORK);
    if (response?.ok) saveFile(`lumbung-backtest-${id}.html`, await response.blob());
  };
  const tools = (
    <>
      <button class="ghost small noprint" onClick={() => void save()}>
        {t("report_save")}
      </button>
      <button class="ghost small noprint" onClick={() => print()}>
        {t("sheet_print")}
      </button>
    </>
  );
  return (
    <Panel id="uji" title={title} feed={feed} class="full" needs="user" tools={feed.body?.report && tools}>
      {(backtest) => (
        <>
          {problem && <ProblemText problem={problem} />}
          <Result backtest={backtest} />
        </>
      )}
    </Panel>
  );
}

export function Backtests({ symbol }: { symbol: string | null }) {
  const signedIn = mayAs("user");
  const feed = useFeed(signedIn ? (address(LIST, { limit: 50 }) as Address<Page<Backtest>>) : null, LIST_MS);
  const id = param("uji");
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
    <>
      <Panel title={t("backtests")} feed={feed} class="full noprint" needs="user">
        {(body) => (
          <>
            <p class="note">{t("backtests_note")}</p>
            {symbol && <OrderTest symbol={symbol} />}
            {body.items.length > 0 && <DataTable label={t("backtests")} columns={COLUMNS} rows={body.items} keyOf={(row) => row.id} isChosen={(row) => row.id === id} />}
          </>
        )}
      </Panel>
      {id && <ChosenTest key={id} id={id} />}
    </>
  );
}
