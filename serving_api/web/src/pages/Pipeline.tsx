/** The pipeline: does anything lag, does anything get lost? Tables by layer, balance, rules, ledger. */
import { useState } from "preact/hooks";
import { address, useFeed } from "../data/feed.ts";
import type { AnswerOf, Balance, Page, RowOf } from "../data/types.ts";
import { duration, moment, whole } from "../i18n/format.ts";
import { t, textOr } from "../i18n/index.ts";
import { column, derivedColumn, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { Choices } from "../ui/controls.tsx";
import { Facts } from "../ui/Figures.tsx";
import { Panel } from "../ui/Panel.tsx";
import { TablePanel } from "../ui/TablePanel.tsx";
import { Quality } from "./Commodity.tsx";
import { COUNT_TITLES, Flow, HOURS, Hours } from "./pipeline/Flow.tsx";
import { kindName } from "./quarantine/words.ts";

type State = AnswerOf<"/api/v1/pipeline">;
const COUNTS = ["rows_in", "silver", "quarantine", "duplicates", "difference"] as const;

/** States in which a process does nothing. */
const FAILED: ReadonlySet<string> = new Set(["stopped", "killed", "silent"]);
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
type Silent = RowOf<"/api/v1/silent-series">;
const SILENCE: Column<Silent>[] = [
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
type Table = State["tables"][number];
const TABLES: Column<Table>[] = [
  column("table", "table"),
  column("delta_version", "version", whole),
  column("rows", "row_count", whole),
  derivedColumn("lag_seconds", "lag", (row) => row.lag_seconds, (row) => (
    <>
      {duration(row.lag_seconds)} {row.late && <b class="outdated">{t("layer_late")}</b>}
    </>
  )),
  column("freshness_seconds", "promise", duration),
  column("fed_by", "fed_by"),
];
/** Of the kinds of events that came. */
const kindRows = (report: AnswerOf<"/api/v1/reconcile">): KindRow[] => Object.entries(report.per_kind).flatMap(([kind, counts]) => (counts.rows_in ? [{ ...counts, kind }] : []));

function Ledger() {
  const feed = useFeed(address("/api/blockchain/integrity/check"), 60_000);
  return (
    <Panel title={t("ledger")} feed={feed} class="full" sql={LEDGER_SQL} waiting={t("ledger_checking")}>
      {(body) => (
        <p class={body.valid ? "fine" : "grave"}>
          {body.valid ? t("ledger_valid", { length: whole(body.length) }) : t("ledger_invalid")} {body.reason && textOr(`ledger_reason_${body.reason}`, body.reason)} {t("checked", { time: moment(body.checked_at) })}
        </p>
      )}
    </Panel>
  );
}

/** So long after its last event a series has ended: that is no alarm any more. */
const ENDED_SECONDS = 28 * 86_400;
/** Series that should report, first those that fell silent last; those that ended long ago, with the simulator or with a file. */
function bySilence(rows: readonly Silent[], now: number): { silent: Silent[]; ended: Silent[] } {
  const isEnded = (row: Silent) => row.replayed || row.ended || now - Date.parse(row.last_event_time) > 1000 * ENDED_SECONDS;
  return { silent: rows.filter((row) => !isEnded(row)), ended: rows.filter(isEnded) };
}

function Silence({ total }: { total: State["silence"] }) {
  const [showsEnded, setShowsEnded] = useState(false);
  const list = address("/api/v1/silent-series", { silent: true, limit: MOST_ROWS });
  const isRecent = total !== null && Date.now() - Date.parse(total.since) < 1000 * ENDED_SECONDS;
  const chosen = (body: Page<Silent>) => {
    const { silent, ended } = bySilence(body.items, Date.now());
    return showsEnded ? ended : silent;
  };
  return (
    <TablePanel title={t("silence")} list={list} rows={chosen} columns={SILENCE} keyOf={(row) => `${row.series_kind}|${row.series_id}|${row.replayed}`} class="half" file="silence" sql={SILENCE_SQL} isEmpty={() => false}>
      {(rows, body) => {
        const { ended } = bySilence(body.items, Date.now());
        return (
          <>
            {total && <p class={isRecent ? "grave" : undefined}>{t(isRecent ? "silence_total" : "silence_ended", { series: whole(total.series), time: moment(total.since) })}</p>}
            {!rows.length && <p class="empty">{t("silence_none")}</p>}
            {ended.length > 0 && (
              <label class="check noprint">
                <input type="checkbox" checked={showsEnded} onChange={(event) => setShowsEnded(event.currentTarget.checked)} />
                {t("silence_show_ended", { count: whole(ended.length) })}
              </label>
            )}
          </>
        );
      }}
    </TablePanel>
  );
}

const LAYERS = ["all", "bronze", "silver", "gold", "late"] as const;
type Layer = (typeof LAYERS)[number];

/** All tables, those of a layer, late ones, or those with a text in their name. */
function Tables() {
  const [layer, setLayer] = useState<Layer>("all");
  const [text, setText] = useState("");
  const isShown = (row: Table) => (layer === "all" || row.layer === layer || (layer === "late" && row.late)) && row.table.includes(text.trim().toLowerCase());
  return (
    <TablePanel title={t("tables")} list={address("/api/v1/pipeline")} rows={(body) => body.tables.filter(isShown)} everyMs={EVERY_MS} columns={TABLES} keyOf={(row) => row.table} class="full" file="tables" isEmpty={() => false}>
      {(rows, body) => (
        <div class="controls">
          <Choices label={t("layer")} value={layer} options={LAYERS.map((name) => [name, t(`layer_${name}`)])} choose={setLayer} />
          <input type="search" class="search" aria-label={t("table_search")} placeholder={t("table_search")} value={text} onInput={(event) => setText(event.currentTarget.value)} />
          <span role="status">{t("tables_shown", { shown: whole(rows.length), of: whole(body.tables.length) })}</span>
        </div>
      )}
    </TablePanel>
  );
}

export function Pipeline() {
  const list = address("/api/v1/pipeline");
  const feed = useFeed(list, EVERY_MS);
  return (
    <div class="grid">
      <Panel title={t("balance_title")} feed={feed} class="full" sql={KINDS_SQL}>
        {({ balance, kafka_lag, processes }) => (
          <>
            <p class={balance.balanced ? "lead" : "lead grave"}>{balance.balanced ? t("pipe_even", { waiting: whole(kafka_lag) }) : t("balance_odd", { difference: whole(balance.difference) })}</p>
            <Facts facts={COUNTS.map((name) => [t(COUNT_TITLES[name]), whole(balance[name])])} class={`strip ${balance.balanced ? "" : "odd"}`} />
            <ul class="processes">
              {processes.map(({ name, state }) => (
                <li key={name} class={FAILED.has(state) ? "chip grave" : "chip"}>
                  <span aria-hidden="true">{FAILED.has(state) ? "▲" : "●"}</span> {textOr(`process_${name}`, name)}: {textOr(`state_${state}`, state)}
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
      <Tables />
      <TablePanel title={t("balance_by_kind")} list={address("/api/v1/reconcile")} rows={kindRows} everyMs={EVERY_MS} columns={KINDS} keyOf={(row) => row.kind} class="full" file="balance" sql={KINDS_SQL} empty={t("no_rows")} />
      <Silence total={feed.body?.silence ?? null} />
      <TablePanel title={t("drift")} list={address("/api/v1/schema-drift", { limit: MOST_ROWS })} columns={DRIFT} keyOf={(row) => `${row.kind}|${row.field}`} class="half" file="drift" sql={DRIFT_SQL} empty={t("drift_none")}>
        {() => <p class="note">{t("drift_note")}</p>}
      </TablePanel>
      <Quality />
      <Ledger />
    </div>
  );
}
