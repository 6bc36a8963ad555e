/** The pipeline: does anything lag, does anything get lost? Tables by layer, balance, rules, ledger. */
import { useFeed } from "../data/feed.ts";
import type { Balance, Integrity, Pipeline as PipelineState, PipelineTable } from "../data/types.ts";
import { duration, moment, whole } from "../i18n/format.ts";
import { hasText, t } from "../i18n/index.ts";
import { DataTable, type Column } from "../ui/DataTable.tsx";
import { Panel } from "../ui/Panel.tsx";
import { Quality } from "./Commodity.tsx";

const EVERY_MS = 5_000;
const LAYERS = ["bronze", "silver", "gold"] as const;

function BalanceStrip({ balance }: { balance: Balance }) {
  const parts: [string, number][] = [
    [t("events_in"), balance.rows_in],
    [t("accepted"), balance.silver],
    [t("quarantined"), balance.quarantine],
    [t("duplicates"), balance.duplicates],
    [t("difference"), balance.difference],
  ];
  return (
    <dl class={`strip ${balance.balanced ? "" : "odd"}`}>
      {parts.map(([name, count]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{whole(count)}</dd>
        </div>
      ))}
    </dl>
  );
}

function Layer({ layer, tables }: { layer: (typeof LAYERS)[number]; tables: PipelineTable[] }) {
  return (
    <section class="layer" aria-labelledby={`layer-${layer}`}>
      <h3 id={`layer-${layer}`}>
        {layer} <span class="dim">{whole(tables.length)}</span>
      </h3>
      <ul>
        {tables.map((table) => (
          <li key={table.table} class={table.late ? "late" : undefined}>
            <b>{table.table.split(".")[1]}</b>
            <span>{t("rows", { count: whole(table.rows) })}</span>
            <small>{table.delta_version === null ? t("no_rows") : table.late ? t("late", { lag: duration(table.lag_seconds), promise: duration(table.freshness_seconds) }) : t("in_time")}</small>
          </li>
        ))}
      </ul>
    </section>
  );
}

const tableColumns = (): Column<PipelineTable>[] => [
  { name: "table", title: t("table"), value: (row) => row.table, isText: true },
  { name: "delta_version", title: t("version"), value: (row) => row.delta_version, show: (row) => whole(row.delta_version) },
  { name: "rows", title: t("row_count"), value: (row) => row.rows, show: (row) => whole(row.rows) },
  { name: "lag_seconds", title: t("lag"), value: (row) => row.lag_seconds, show: (row) => duration(row.lag_seconds) },
  { name: "freshness_seconds", title: t("promise"), value: (row) => row.freshness_seconds, show: (row) => duration(row.freshness_seconds) },
  { name: "fed_by", title: t("fed_by"), value: (row) => row.fed_by.join(", "), isText: true },
];

function stateText(state: string): string {
  const key = `state_${state}`;
  return hasText(key) ? t(key) : state;
}

function Ledger() {
  const feed = useFeed<Integrity>("/api/blockchain/integrity/check", 60_000);
  return (
    <Panel title={t("ledger")} feed={feed} class="half">
      {(body) => (
        <p class={body.valid ? "fine" : "grave"}>
          {body.valid ? t("ledger_valid", { length: whole(body.length) }) : t("ledger_invalid")} {body.reason} {t("checked", { time: moment(body.checked_at) })}
        </p>
      )}
    </Panel>
  );
}

export function Pipeline() {
  const feed = useFeed<PipelineState>("/api/v1/pipeline", EVERY_MS);
  return (
    <div class="grid">
      <Panel title={t("balance_title")} feed={feed} class="full">
        {(body) => (
          <>
            <p class={body.balance.balanced ? "lead" : "lead grave"}>{body.balance.balanced ? t("pipe_even", { waiting: whole(body.kafka_lag) }) : t("balance_odd", { difference: whole(body.balance.difference) })}</p>
            <BalanceStrip balance={body.balance} />
            <ul class="processes">
              {body.processes.map((process) => (
                <li key={process.name} class="chip">
                  {process.name}: {stateText(process.state)}
                </li>
              ))}
            </ul>
          </>
        )}
      </Panel>
      <Panel title={t("flow")} feed={feed} class="full">
        {(body) => (
          <div class="flow">
            {LAYERS.map((layer) => (
              <Layer key={layer} layer={layer} tables={body.tables.filter((table) => table.layer === layer)} />
            ))}
          </div>
        )}
      </Panel>
      <Panel title={t("tables")} feed={feed} class="full">
        {(body) => <DataTable label={t("tables")} columns={tableColumns()} rows={body.tables} keyOf={(row) => row.table} />}
      </Panel>
      <Quality />
      <Ledger />
    </div>
  );
}
