/** The newest price of each market, changed in place; new markets come last. */
import { useLive } from "../data/live.ts";
import type { LivePrice } from "../data/types.ts";
import { change, moment, rupiah, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { DataTable, type Column } from "../ui/DataTable.tsx";
import { commodity } from "../ui/controls.tsx";

const columns = (): Column<LivePrice>[] => [
  { name: "market", title: t("market"), value: (row) => row.market_name, isText: true },
  { name: "price_idr", title: t("price"), value: (row) => row.price_idr, show: (row) => rupiah(row.price_idr) },
  { name: "change_pct", title: t("change_day"), value: (row) => row.change_pct, show: (row) => change(row.change_pct) },
  { name: "event_time", title: t("reported"), value: (row) => row.event_time, show: (row) => moment(row.event_time), isText: true },
];

export function LivePrices() {
  const live = useLive(commodity());
  const state = live.connected ? t("live_on") : t("live_off", { time: live.confirmed ? moment(new Date(live.confirmed).toISOString()) : "–" });
  return (
    <section class="card half" aria-labelledby="live">
      <header class="bar">
        <h2 id="live">{t("live")}</h2>
        <span class={`chip ${live.connected ? "fine" : "grave"}`} role="status">
          {state}
        </span>
      </header>
      {live.rows === null && <div class="skeleton">{live.connected ? t("loading") : t("error_network")}</div>}
      {live.rows?.length === 0 && <p class="empty">{t("empty_live")}</p>}
      {live.rows && live.rows.length > 0 && (
        <>
          <DataTable label={t("live")} columns={columns()} rows={live.rows} keyOf={(row) => `${row.market_id}|${row.commodity}`} isChosen={(row) => live.changed.has(row.market_id)} />
          <p class="note">{t("live_count", { count: whole(live.rows.length) })}</p>
        </>
      )}
    </section>
  );
}
