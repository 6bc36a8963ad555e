/** What chart, map and table of a commodity share: the address of its series, and the columns of provinces. */
import { address } from "../data/feed.ts";
import type { Address, PriceMap, Series } from "../data/types.ts";
import { change, day, rupiah } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { classOf } from "../map/scale.ts";
import { param, setParams } from "../router.ts";
import { derivedColumn, type Column } from "../ui/DataTable.tsx";
import { commodity, knownThen, marketDay, province } from "../ui/controls.tsx";
import { quoted } from "../ui/Origin.tsx";
import type { ProvinceRow } from "./seriesPanel.ts";

export const RANGES = ["90", "365", "2000"] as const;
export type Range = (typeof RANGES)[number];
export const range = (): Range => RANGES.find((value) => value === param("rentang")) ?? "365";

function nextDay(iso: string): string {
  return new Date(Date.parse(`${iso}T00:00:00Z`) + 86_400_000).toISOString().slice(0, 10);
}

export function seriesAddress(): Address<Series> {
  const last = marketDay();
  const days = Number(range());
  const to = last && !knownThen() ? nextDay(last) : null;
  const newest = last ?? new Date().toISOString().slice(0, 10);
  const from = days > 365 ? new Date(Date.parse(`${newest}T00:00:00Z`) - 1999 * 86_400_000).toISOString().slice(0, 10) : null;
  return address("/api/v1/series/daily", { commodity: commodity(), from, to, date: knownThen() ? last : null });
}

/** The newest figures of each province of a commodity. */
export const provincesSql = (id: string) => `select market_date, region, median_price_idr, change_7d_pct, national_gap_pct, gap_pct, dispersion_pct, ifpa from gold.indicators where commodity = ${quoted(id)} and channel = 'retail' order by market_date desc, region limit 500`;
/** The name of a province, which chooses it on the page. */
export const provinceColumn = <Row extends { name: string }>(): Column<Row> =>
  derivedColumn("province", "province", (row) => row.name, ({ name }) => (
    <button class="link" aria-pressed={name === province()} onClick={() => setParams({ prov: name === province() ? null : name }, false)}>
      {name}
    </button>
  ));
export const provinceColumns = (legend: PriceMap["legend"]): Column<ProvinceRow>[] => [
  provinceColumn(),
  derivedColumn("price_idr", "price", (row) => row.price, (row) => rupiah(row.price)),
  derivedColumn("market_date", "day", (row) => row.date, (row) => day(row.date)),
  { name: "change_7d_pct", title: t("change_days", { days: 7 }), value: (row) => row.change, show: (row) => change(row.change) },
  derivedColumn("gap_national_pct", "gap_national", (row) => row.gap, (row) => (
    <>
      <i class={`swatch ${row.gap === null ? "none" : `b${classOf(row.gap, legend)}`}`} /> {change(row.gap)}
    </>
  )),
];
export const NO_LEGEND: PriceMap["legend"] = [];

export function emptyText(): string {
  return knownThen() ? t("empty_then", { day: day(marketDay()) }) : t("empty_series");
}
