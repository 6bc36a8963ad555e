/** How events flow through the pipeline: from the doors over Kafka to the layers of tables, and hour by hour. */
import { Bars } from "../../chart/Bars.tsx";
import type { Pipeline } from "../../data/types.ts";
import { duration, moment, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { ChartOrTable } from "../../ui/ChartOrTable.tsx";
import { column, type Column } from "../../ui/DataTable.tsx";

type PipelineHour = Pipeline["hours"][number];

const LAYERS = ["bronze", "silver", "gold"] as const;
/** By which events come in. */
const DOORS = ["door_http", "door_mqtt", "door_collectors", "door_files"] as const;

export const COUNT_TITLES = { rows_in: "events_in", silver: "accepted", quarantine: "quarantined", duplicates: "duplicates", difference: "difference" } as const;

function Layer({ layer, tables }: { layer: (typeof LAYERS)[number]; tables: Pipeline["tables"] }) {
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

/** From the doors over Kafka to the layers of tables. */
export function Flow({ pipeline }: { pipeline: Pipeline }) {
  const { tables, kafka_lag, balance } = pipeline;
  return (
    <div class="flow">
      <section class="layer" aria-labelledby="layer-doors">
        <h3 id="layer-doors">{t("doors")}</h3>
        <ul>
          {DOORS.map((key) => (
            <li key={key}>
              <b>{t(key)}</b>
            </li>
          ))}
        </ul>
      </section>
      <section class="layer" aria-labelledby="layer-kafka">
        <h3 id="layer-kafka">Kafka</h3>
        <ul>
          <li class={kafka_lag ? "late" : undefined}>
            <b>{t("kafka_read", { count: whole(balance.rows_in) })}</b>
            <small>{t("kafka_waiting", { count: whole(kafka_lag) })}</small>
          </li>
        </ul>
      </section>
      {LAYERS.map((layer) => (
        <Layer key={layer} layer={layer} tables={tables.filter((table) => table.layer === layer)} />
      ))}
    </div>
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
        <Bars label={`${t("hours")}. ${sentence}`} bars={hours.map((hour) => ({ parts: [hour.silver, hour.quarantine], text: textOf(hour) }))} />
      </ChartOrTable>
    </>
  );
}
