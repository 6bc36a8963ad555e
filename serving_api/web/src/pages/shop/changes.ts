/** How the sales of a shop changed against the period before. */
import { secondsOf } from "../../chart/panel.ts";
import type { RowOf } from "../../data/types.ts";

export type Period = RowOf<"/api/v1/retail/revenue-periods">;
type RevenueDay = RowOf<"/api/v1/retail/revenue-history">;

/** Change in percent; null where the value before is unknown or zero. */
export const changePct = (value: number | null, before: number | null): number | null => (value === null || !before ? null : 100 * (value / before - 1));

/** The category whose revenue changed most, up or down; null without a period before. */
export function mostChanged(rows: Period[]): Period | null {
  const size = ({ revenue, revenue_before }: Period) => (revenue_before === null ? -1 : Math.abs(revenue - revenue_before));
  const [most] = rows.toSorted((one, other) => size(other) - size(one));
  return most && size(most) >= 0 ? most : null;
}

/**
 * What moved the revenue of a category: units, their mean net price, or both. The logs of the two ratios add up to that
 * of the revenue; both count when they point the same way and the smaller is at least half the larger.
 */
export function driverOf(row: Period): "units" | "price" | "both" | null {
  if (!row.units_before || !row.units || !row.average_net_price_before || !row.average_net_price) return null;
  const units = Math.log(row.units / row.units_before);
  const price = Math.log(row.average_net_price / row.average_net_price_before);
  const [small, large] = [Math.abs(units), Math.abs(price)].sort((one, other) => one - other);
  if (units * price > 0 && small >= large / 2) return "both";
  return Math.abs(units) >= Math.abs(price) ? "units" : "price";
}

/** The sum of a figure over categories; null when one of them is unknown. */
export function total(rows: Period[], name: "revenue" | "revenue_before" | "units" | "units_before"): number | null {
  const values = rows.map((row) => row[name]);
  return values.includes(null) ? null : values.reduce<number>((sum, value) => sum + value!, 0);
}

const DAY_SECONDS = 86_400;

export interface DayAgainst {
  x: number;
  y: number;
  before: number | null;
}
/**
 * New revenue of each of the newest `days` that has any state, with that of the same day of the period before; x in
 * seconds. `isAll`: the rows begin with the shop, whose first day has no state to be new against.
 */
export function dailyRevenue(rows: RevenueDay[], days: number, isAll: boolean): DayAgainst[] {
  const sums = new Map<number, number>();
  for (const row of rows) {
    const x = secondsOf(row.market_date);
    sums.set(x, (sums.get(x) ?? 0) + row.revenue_new);
  }
  if (isAll) sums.delete(Math.min(...sums.keys()));
  const newest = Math.max(...sums.keys());
  const began = newest - days * DAY_SECONDS;
  const shown = [...sums].filter(([x]) => x > began).sort(([one], [other]) => one - other);
  return shown.map(([x, y]) => ({ x, y, before: sums.get(x - days * DAY_SECONDS) ?? null }));
}
