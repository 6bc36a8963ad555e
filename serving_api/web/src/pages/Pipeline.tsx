/** The pipeline: does anything lag, does anything get lost? Tables by layer, balance, rules, ledger. */
import { address, useFeed } from "../data/feed.ts";
import type { AnswerOf, Balance, RowOf } from "../data/types.ts";
import { duration, moment, whole } from "../i18n/format.ts";
import { t, textOr } from "../i18n/index.ts";
import { column, derivedColumn, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { Facts } from "../ui/Figures.tsx";
import { Panel } from "../ui/Panel.tsx";
import { TablePanel } from "../ui/TablePanel.tsx";
import { Quality } from "./Commodity.tsx";
import { COUNT_TITLES, Flow, HOURS, Hours } from "./pipeline/Flow.tsx";
import { kindName } from "./quarantine/words.ts";

type State = AnswerOf<"/api/v1/pipeline">;
const COUNTS = ["rows_in", "silver", "quarantine", "duplicates", "difference"] as const;

const EVERY_MS = 5_000;
const MOST_ROWS = 1000;
const KINDS_SQL = "select kind, sum(rows_in) as rows_in, sum(silver) as silver, sum(quarantine) as quarantine, sum(duplicates) as duplicates from gold.balance group by kind order by kind";
const SILENCE_SQL = "select series_kind, series_id, last_event_time, cadence_seconds, silent_seconds, since from gold.silent_series where silent order by last_event_time desc";
const DRIFT_SQL = "select kind, field, json_types, events, quarantined, first_source, first_seen_at, last_seen_at from gold.schema_drift order by kind, field";
const LEDGER_SQL = "select chain, index, kind, table, rows, batch_time, hash from gold.ledger order by chain, index desc limit 100";
const HOURS_SQL = "select date_trunc('hour', ingested_at) as hour, sum(rows_in) as rows_in, sum(silver) as silver, sum(quarantine) as quarantine, sum(duplicates) as duplicates from gold.balance group by hour order by hour desc limit 24";

interface KindRow extends Omit<Balance, "balanced"> {
  kind: string;
}
const KINDS: Column<KindRow>[] = [
  column("kind", "kind", kindName),
  ...COUNTS.map((name) => column<KindRow, typeof name>(name, COUNT_TITLES[name], (count) => <span class={name === "difference" && count ? "grave" : undefined}>{whole(count)}</span>)),
];
const SILENCE: Column<RowOf<"/api/v1/silent-series">>[] = [
  derivedColumn("series", "series", (row) => row.series_id, (row) => `${t(`series_${row.series_kind}`)} ${row.series_id}`),
  column("last_event_time", "last_event", moment),
  column("cadence_seconds", "cadence", duration),
  column("silent_seconds", "silent_for", duration),
  column("replayed", "from_file", (replayed) => t(replayed ? "yes" : "no")),
];
const DRIFT: Column<RowOf<"/api/v1/schema-drift">>[] = [
  column("field", "field"),
  column("kind", "kind", kindName),
  column("json_types", "json_types"),
  column("events", "accepted", whole),
  column("quarantined", "quarantined", whole),
  column("last_seen_at", "last_seen", moment),
];
const TABLES: Column<State["tables"][number]>[] = [
  column("table", "table"),
  column("delta_version", "version", whole),
  column("rows", "row_count", whole),
  column("lag_seconds", "lag", duration),
  column("freshness_seconds", "promise", duration),
  column("fed_by", "fed_by"),
];
/** Of the kinds of events that came. */
const kindRows = (report: AnswerOf<"/api/v1/reconcile">): KindRow[] => Object.entries(report.per_kind).flatMap(([kind, counts]) => (counts.rows_in ? [{ ...counts, kind }] : []));

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
  const list = address("/api/v1/pipeline");
  const feed = useFeed(list, EVERY_MS);
  const silence = feed.body?.silence;
  return (
    <div class="grid">
      <Panel title={t("balance_title")} feed={feed} class="full" sql={KINDS_SQL}>
        {({ balance, kafka_lag, processes }) => (
          <>
            <p class={balance.balanced ? "lead" : "lead grave"}>{balance.balanced ? t("pipe_even", { waiting: whole(kafka_lag) }) : t("balance_odd", { difference: whole(balance.difference) })}</p>
            <Facts facts={COUNTS.map((name) => [t(COUNT_TITLES[name]), whole(balance[name])])} class={`strip ${balance.balanced ? "" : "odd"}`} />
            <ul class="processes">
              {processes.map(({ name, state }) => (
                <li key={name} class="chip">
                  {textOr(`process_${name}`, name)}: {textOr(`state_${state}`, state)}
                </li>
              ))}
            </ul>
          </>
        )}
      </Panel>
      <Panel title={t("hours")} feed={feed} class="full" sql={HOURS_SQL} tools={<SaveCsv file="hours" columns={HOURS} rows={feed.body?.hours} />} isEmpty={(body) => !body.hours.length} empty={t("no_rows")}>
        {(body) => <Hours hours={body.hours} />}
      </Panel>
      <Panel title={t("flow")} feed={feed} class="full">
        {(body) => <Flow pipeline={body} />}
      </Panel>
      <TablePanel title={t("tables")} list={list} rows={(body) => body.tables} everyMs={EVERY_MS} columns={TABLES} keyOf={(row) => row.table} class="full" file="tables" />
      <TablePanel title={t("balance_by_kind")} list={address("/api/v1/reconcile")} rows={kindRows} everyMs={EVERY_MS} columns={KINDS} keyOf={(row) => row.kind} class="full" file="balance" sql={KINDS_SQL} empty={t("no_rows")} />
      <TablePanel title={t("silence")} list={address("/api/v1/silent-series", { silent: true, limit: MOST_ROWS })} columns={SILENCE} keyOf={(row) => `${row.series_kind}|${row.series_id}|${row.replayed}`} class="half" file="silence" sql={SILENCE_SQL} isEmpty={(body) => !silence && !body.items.length} empty={t("silence_none")}>
        {() => silence && <p class="grave">{t("silence_total", { series: whole(silence.series), time: moment(silence.since) })}</p>}
      </TablePanel>
      <TablePanel title={t("drift")} list={address("/api/v1/schema-drift", { limit: MOST_ROWS })} columns={DRIFT} keyOf={(row) => `${row.kind}|${row.field}`} class="half" file="drift" sql={DRIFT_SQL} empty={t("drift_none")}>
        {() => <p class="note">{t("drift_note")}</p>}
      </TablePanel>
      <Quality />
      <Ledger />
    </div>
  );
}
