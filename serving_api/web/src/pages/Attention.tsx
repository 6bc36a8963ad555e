/** What needs attention in a commodity: its alerts that ring, and the unusual prices of the chosen province. */
import { address, useFeed } from "../data/feed.ts";
import type { Anomaly } from "../data/types.ts";
import { moment, rupiah } from "../i18n/format.ts";
import { t, textOr } from "../i18n/index.ts";
import { DataTable, SaveCsv, type Column } from "../ui/DataTable.tsx";
import { quoted } from "../ui/Origin.tsx";
import { Panel } from "../ui/Panel.tsx";
import { commodity, province, useZones } from "../ui/controls.tsx";
import { Ringing } from "./alerts/Ringing.tsx";

const SQL = (id: string, region: string) => `select event_time, market_id, price_idr, score, severity, kind from gold.anomalies where commodity = ${quoted(id)} and region = ${quoted(region)} order by event_time desc limit 100`;
export const anomalyAddress = (id: string, region: string) => address("/api/v1/predict/anomaly/{region}", { region, commodity: id });

const columns = (zone: string | null): Column<Anomaly>[] => [
  { name: "event_time", title: t("reported"), value: (row) => row.event_time, isText: true, show: (row) => moment(row.event_time, zone) },
  { name: "market_id", title: t("market"), value: (row) => row.market_id, isText: true },
  { name: "price_idr", title: t("price"), value: (row) => row.price_idr, show: (row) => rupiah(row.price_idr) },
  { name: "severity", title: t("severity"), value: (row) => row.severity, isText: true, show: (row) => textOr(`severity_${row.severity}`, row.severity) },
];

function Anomalies({ region }: { region: string }) {
  const feed = useFeed(anomalyAddress(commodity(), region));
  const shown = columns(useZones()(region));
  const title = t("anomalies_of", { region });
  return (
    <Panel title={title} feed={feed} class="full" sql={SQL(commodity(), region)} tools={<SaveCsv file={`anomalies-${commodity()}`} columns={shown} rows={feed.body?.items} />} isEmpty={(body) => !body.items.length} empty={t("anomalies_none")}>
      {(body) => <DataTable label={title} columns={shown} rows={body.items} keyOf={(row) => `${row.market_id}|${row.event_time}|${row.price_idr}`} />}
    </Panel>
  );
}

export function Attention() {
  const region = province();
  return (
    <>
      <Ringing commodity={commodity()} />
      {region && <Anomalies region={region} />}
    </>
  );
}
