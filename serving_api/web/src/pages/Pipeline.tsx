/** The pipeline: does anything lag, does anything get lost? Tables by layer, balance, rules, ledger. */
import { address, useFeed } from "../data/feed.ts";
import type { Balance, Pipeline as PipelineAnswer, RowOf } from "../data/types.ts";
import { duration, moment, whole } from "../i18n/format.ts";
import { t, textOr } from "../i18n/index.ts";
import { DataTable, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { Panel } from "../ui/Panel.tsx";
import { Quality } from "./Commodity.tsx";
import { COUNT_TITLES, Flow, hourColumns, Hours } from "./pipeline/Flow.tsx";
import { kindName } from "./quarantine/words.ts";

type SilentSeries = RowOf<"/api/v1/silent-series">;
type DriftField = RowOf<"/api/v1/schema-drift">;

const EVERY_MS = 5_000;
const MOST_ROWS = 1000;
const KINDS_SQL = "select kind, sum(rows_in) as rows_in, sum(silver) as silver, sum(quarantine) as quarantine, sum(duplicates) as duplicates from gold.balance group by kind order by kind";
const SILENCE_SQL = "select series_kind, series_id, last_event_time, cadence_seconds, silent_seconds, since from gold.silent_series where silent order by last_event_time desc";
const DRIFT_SQL = "select kind, field, json_types, events, quarantined, first_source, first_seen_at, last_seen_at from gold.schema_drift order by kind, field";
const LEDGER_SQL = "select chain, index, kind, table, rows, batch_time, hash from gold.ledger order by chain, index desc limit 100";
const HOURS_SQL = "select date_trunc('hour', ingested_at) as hour, sum(rows_in) as rows_in, sum(silver) as silver, sum(quarantine) as quarantine, sum(duplicates) as duplicates from gold.balance group by hour order by hour desc limit 24";

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

interface KindRow extends Omit<Balance, "balanced"> {
  kind: string;
}
const kindColumns = (): Column<KindRow>[] => [
  { name: "kind", title: t("kind"), value: (row) => row.kind, show: (row) => kindName(row.kind), isText: true },
  ...(["rows_in", "silver", "quarantine", "duplicates", "difference"] as const).map((name) => ({
    name,
    title: t(COUNT_TITLES[name]),
    value: (row: KindRow) => row[name],
    show: (row: KindRow) => <span class={name === "difference" && row[name] ? "grave" : undefined}>{whole(row[name])}</span>,
  })),
];
/** The balance of each kind of events that came. */
function Kinds() {
  const feed = useFeed(address("/api/v1/reconcile"), EVERY_MS);
  const rows = Object.entries(feed.body?.per_kind ?? {}).flatMap(([kind, counts]) => (counts.rows_in ? [{ ...counts, kind }] : []));
  return (
    <Panel title={t("balance_by_kind")} feed={feed} class="full" sql={KINDS_SQL} tools={<SaveCsv file="balance" columns={kindColumns()} rows={rows} />} isEmpty={() => !rows.length} empty={t("no_rows")}>
      {() => <DataTable label={t("balance_by_kind")} columns={kindColumns()} rows={rows} keyOf={(row) => row.kind} />}
    </Panel>
  );
}

const silenceColumns = (): Column<SilentSeries>[] => [
  { name: "series", title: t("series"), value: (row) => row.series_id, isText: true, show: (row) => `${t(`series_${row.series_kind}`)} ${row.series_id}` },
  { name: "last_event_time", title: t("last_event"), value: (row) => row.last_event_time, show: (row) => moment(row.last_event_time), isText: true },
  { name: "cadence_seconds", title: t("cadence"), value: (row) => row.cadence_seconds, show: (row) => duration(row.cadence_seconds) },
  { name: "silent_seconds", title: t("silent_for"), value: (row) => row.silent_seconds, show: (row) => duration(row.silent_seconds) },
  { name: "replayed", title: t("from_file"), value: (row) => Number(row.replayed), show: (row) => t(row.replayed ? "yes" : "no"), isText: true },
];

function Silence({ total }: { total?: PipelineAnswer["silence"] }) {
  const feed = useFeed(address("/api/v1/silent-series", { silent: "true", limit: MOST_ROWS }));
  return (
    <Panel title={t("silence")} feed={feed} class="half" sql={SILENCE_SQL} tools={<SaveCsv file="silence" columns={silenceColumns()} rows={feed.body?.items} />} isEmpty={(body) => !total && !body.items.length} empty={t("silence_none")}>
      {(body) => (
        <>
          {total && <p class="grave">{t("silence_total", { series: whole(total.series), time: moment(total.since) })}</p>}
          {body.items.length > 0 && <DataTable label={t("silence")} columns={silenceColumns()} rows={body.items} keyOf={(row) => `${row.series_kind}|${row.series_id}|${row.replayed}`} />}
        </>
      )}
    </Panel>
  );
}

const driftColumns = (): Column<DriftField>[] => [
  { name: "field", title: t("field"), value: (row) => row.field, isText: true },
  { name: "kind", title: t("kind"), value: (row) => row.kind, show: (row) => kindName(row.kind), isText: true },
  { name: "json_types", title: t("json_types"), value: (row) => row.json_types.join(", "), isText: true },
  { name: "events", title: t("accepted"), value: (row) => row.events, show: (row) => whole(row.events) },
  { name: "quarantined", title: t("quarantined"), value: (row) => row.quarantined, show: (row) => whole(row.quarantined) },
  { name: "last_seen_at", title: t("last_seen"), value: (row) => row.last_seen_at, show: (row) => moment(row.last_seen_at), isText: true },
];

function Drift() {
  const feed = useFeed(address("/api/v1/schema-drift", { limit: MOST_ROWS }));
  return (
    <Panel title={t("drift")} feed={feed} class="half" sql={DRIFT_SQL} tools={<SaveCsv file="drift" columns={driftColumns()} rows={feed.body?.items} />} isEmpty={(body) => !body.items.length} empty={t("drift_none")}>
      {(body) => (
        <>
          <p class="note">{t("drift_note")}</p>
          <DataTable label={t("drift")} columns={driftColumns()} rows={body.items} keyOf={(row) => `${row.kind}|${row.field}`} />
        </>
      )}
    </Panel>
  );
}

const tableColumns = (): Column<PipelineAnswer["tables"][number]>[] => [
  { name: "table", title: t("table"), value: (row) => row.table, isText: true },
  { name: "delta_version", title: t("version"), value: (row) => row.delta_version, show: (row) => whole(row.delta_version) },
  { name: "rows", title: t("row_count"), value: (row) => row.rows, show: (row) => whole(row.rows) },
  { name: "lag_seconds", title: t("lag"), value: (row) => row.lag_seconds, show: (row) => duration(row.lag_seconds) },
  { name: "freshness_seconds", title: t("promise"), value: (row) => row.freshness_seconds, show: (row) => duration(row.freshness_seconds) },
  { name: "fed_by", title: t("fed_by"), value: (row) => row.fed_by.join(", "), isText: true },
];

const stateText = (state: string): string => textOr(`state_${state}`, state);

function Ledger() {
  const feed = useFeed(address("/api/blockchain/integrity/check"), 60_000);
  return (
    <Panel title={t("ledger")} feed={feed} class="full" sql={LEDGER_SQL}>
      {(body) => (
        <p class={body.valid ? "fine" : "grave"}>
          {body.valid ? t("ledger_valid", { length: whole(body.length) }) : t("ledger_invalid")} {body.reason && textOr(`ledger_reason_${body.reason}`, body.reason)} {t("checked", { time: moment(body.checked_at) })}
        </p>
      )}
    </Panel>
  );
}

export function Pipeline() {
  const feed = useFeed(address("/api/v1/pipeline"), EVERY_MS);
  return (
    <div class="grid">
      <Panel title={t("balance_title")} feed={feed} class="full" sql={KINDS_SQL}>
        {(body) => (
          <>
            <p class={body.balance.balanced ? "lead" : "lead grave"}>{body.balance.balanced ? t("pipe_even", { waiting: whole(body.kafka_lag) }) : t("balance_odd", { difference: whole(body.balance.difference) })}</p>
            <BalanceStrip balance={body.balance} />
            <ul class="processes">
              {body.processes.map((process) => (
                <li key={process.name} class="chip">
                  {textOr(`process_${process.name}`, process.name)}: {stateText(process.state)}
                </li>
              ))}
            </ul>
          </>
        )}
      </Panel>
      <Panel title={t("hours")} feed={feed} class="full" sql={HOURS_SQL} tools={<SaveCsv file="hours" columns={hourColumns()} rows={feed.body?.hours} />} isEmpty={(body) => !body.hours.length} empty={t("no_rows")}>
        {(body) => <Hours hours={body.hours} />}
      </Panel>
      <Panel title={t("flow")} feed={feed} class="full">
        {(body) => <Flow pipeline={body} />}
      </Panel>
      <Panel title={t("tables")} feed={feed} class="full" tools={<SaveCsv file="tables" columns={tableColumns()} rows={feed.body?.tables} />}>
        {(body) => <DataTable label={t("tables")} columns={tableColumns()} rows={body.tables} keyOf={(row) => row.table} />}
      </Panel>
      <Kinds />
      <Silence total={feed.body?.silence} />
      <Drift />
      <Quality />
      <Ledger />
    </div>
  );
}
