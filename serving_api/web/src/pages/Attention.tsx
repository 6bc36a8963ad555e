/** What needs attention in a commodity: its alerts that ring, and the unusual prices of the chosen province. */
import { address } from "../data/feed.ts";
import type { Anomaly } from "../data/types.ts";
import { moment, rupiah } from "../i18n/format.ts";
import { t, textOr } from "../i18n/index.ts";
import { column, type Column } from "../ui/DataTable.tsx";
import { quoted } from "../ui/Origin.tsx";
import { TablePanel } from "../ui/TablePanel.tsx";
import { commodity, province, useZones } from "../ui/controls.tsx";
import { Ringing } from "./alerts/Ringing.tsx";

const SQL = (id: string, region: string) => `select event_time, market_id, price_idr, score, severity, kind from gold.anomalies where commodity = ${quoted(id)} and region = ${quoted(region)} order by event_time desc limit 100`;
export const anomalyAddress = (id: string, region: string) => address("/api/v1/predict/anomaly/{region}", { region, commodity: id });

const columns = (zone: string | null): Column<Anomaly>[] => [
  column("event_time", "reported", (event_time) => moment(event_time, zone)),
  column("market_id", "market"),
  column("price_idr", "price", rupiah),
  column("severity", "severity", (severity) => textOr(`severity_${severity}`, severity)),
];

function Anomalies({ region }: { region: string }) {
  const zone = useZones()(region);
  return (
    <TablePanel title={t("anomalies_of", { region })} list={anomalyAddress(commodity(), region)} columns={columns(zone)} keyOf={(row) => `${row.market_id}|${row.event_time}|${row.price_idr}`} class="full" file={`anomalies-${commodity()}`} sql={SQL(commodity(), region)} empty={t("anomalies_none")} />
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
