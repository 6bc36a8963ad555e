/** How events flow through the pipeline: from the doors over Kafka to the layers of tables, and hour by hour. */
import { Bars } from "../../chart/Bars.tsx";
import type { Pipeline } from "../../data/types.ts";
import { duration, hourOf, moment, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { ChartOrTable } from "../../ui/ChartOrTable.tsx";
import { column, type Column } from "../../ui/DataTable.tsx";

type PipelineHour = Pipeline["hours"][number];

const LAYERS = ["bronze", "silver", "gold"] as const;
const HOURS_A_MARK = 6;
/** By which events come in. */
const DOORS = ["door_http", "door_mqtt", "door_collectors", "door_files"] as const;

export const COUNT_TITLES = { rows_in: "events_in", silver: "accepted", quarantine: "quarantined", duplicates: "duplicates", difference: "difference" } as const;

type Table = Pipeline["tables"][number];
/** The table that is furthest behind its sources; null without one that has rows. */
function furthestBehind(tables: readonly Table[]): Table | null {
  const known = tables.filter(({ lag_seconds }) => lag_seconds !== null);
  return known.reduce<Table | null>((worst, table) => (worst && worst.lag_seconds! >= table.lag_seconds! ? worst : table), null);
}

interface NodeProps {
  name: string;
  lines: string[];
  isLate?: boolean;
  class?: string;
}
function Node({ name, lines, isLate = false, class: place = "" }: NodeProps) {
  return (
    <li class={`node ${place}${isLate ? " late" : ""}`}>
      <b>{name}</b>
      {lines.map((line) => (
        <span key={line}>{line}</span>
      ))}
    </li>
  );
}

/** Number and rows of tables, and how far the last of them is behind. */
function layerLines(tables: readonly Table[]): string[] {
  const worst = furthestBehind(tables);
  const rows = tables.reduce((sum, table) => sum + table.rows, 0);
  const behind = worst?.lag_seconds ? t("lag_worst", { lag: duration(worst.lag_seconds), table: worst.table }) : t("lag_none");
  const late = tables.filter((table) => table.late).length;
  return [t("tables_rows", { tables: whole(tables.length), rows: whole(rows) }), worst ? behind : t("no_rows"), late ? t("tables_late", { late: whole(late) }) : t("in_time")];
}

const QUARANTINE = "silver.quarantine";

/** From the doors over Kafka to the layers of tables: counts and the worst lag of each; late tables by name. */
export function Flow({ pipeline }: { pipeline: Pipeline }) {
  const { tables, kafka_lag, balance } = pipeline;
  const of = (layer: (typeof LAYERS)[number]) => tables.filter((table) => table.layer === layer && table.table !== QUARANTINE);
  const late = tables.filter((table) => table.late);
  const isLate = (rows: readonly Table[]) => rows.some((table) => table.late);
  const quarantine = tables.filter((table) => table.table === QUARANTINE);
  return (
    <>
      <ol class="flow">
        <Node name={t("doors")} lines={DOORS.map((key) => t(key))} class="doors" />
        <Node name="Kafka" lines={[t("kafka_read", { count: whole(balance.rows_in) }), t("kafka_waiting", { count: whole(kafka_lag) })]} isLate={!!kafka_lag} />
        <Node name="bronze" lines={layerLines(of("bronze"))} isLate={isLate(of("bronze"))} />
        <Node name="silver" lines={layerLines(of("silver"))} isLate={isLate(of("silver"))} class="silver" />
        <Node name={t("quarantine_table")} lines={layerLines(quarantine).slice(0, 2)} isLate={isLate(quarantine)} class="quarantine" />
        <Node name="gold" lines={layerLines(of("gold"))} isLate={isLate(of("gold"))} class="gold" />
      </ol>
      {late.length ? (
        <ul class="late-tables">
          {late.map((table) => (
            <li key={table.table}>
              <b>{table.table}</b> {t("late", { lag: duration(table.lag_seconds), promise: duration(table.freshness_seconds) })}
            </li>
          ))}
        </ul>
      ) : (
        <p class="fine">{t("all_in_time")}</p>
      )}
    </>
  );
}

export const HOURS: Column<PipelineHour>[] = [
  column("hour", "hour", moment),
  ...(["rows_in", "silver", "quarantine", "duplicates"] as const).map((name) => column<PipelineHour, typeof name>(name, COUNT_TITLES[name], whole)),
];

/** The last 24 hours: what was accepted, and what was not. */
export function Hours({ hours }: { hours: PipelineHour[] }) {
  const sum = (name: "rows_in" | "quarantine") => hours.reduce((total, hour) => total + hour[name], 0);
  const sentence = t("hours_sentence", { events: whole(sum("rows_in")), quarantined: whole(sum("quarantine")) });
  const textOf = (hour: PipelineHour) => `${moment(hour.hour)}: ${t("accepted")} ${whole(hour.silver)}, ${t("quarantined")} ${whole(hour.quarantine)}`;
  return (
    <>
      <p>{sentence}</p>
      <ChartOrTable label={t("hours")} columns={HOURS} rows={hours} keyOf={(row) => row.hour}>
        <Bars marks={hours.map(({ hour }, nth) => (nth % HOURS_A_MARK ? "" : hourOf(hour)))} label={`${t("hours")}. ${sentence}`} bars={hours.map((hour) => ({ parts: [hour.silver, hour.quarantine], text: textOf(hour) }))} />
      </ChartOrTable>
    </>
  );
}
