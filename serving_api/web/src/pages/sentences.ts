/** A commodity in one sentence: price, change, ceiling, provinces above it, extremes. */
import type { OverviewItem } from "../data/types.ts";
import { change, percent, rupiah, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { LEVELS } from "../ui/Level.tsx";

export const FLAT_PCT = 0.05;

export function moved(pct: number | null): string {
  if (pct === null) return t("sentence_unknown_move");
  if (Math.abs(pct) < FLAT_PCT) return t("sentence_flat");
  return t(pct > 0 ? "sentence_up" : "sentence_down", { size: percent(Math.abs(pct)) });
}

export function sentence(item: OverviewItem): string {
  const parts = [t("sentence_price", { name: item.name, price: rupiah(item.national_price_idr), unit: item.unit, move: moved(item.change_7d_pct) })];
  if (item.reference_price_idr !== null && item.gap_pct !== null) {
    const side = t(item.gap_pct > 0 ? "sentence_above" : "sentence_below", { size: percent(Math.abs(item.gap_pct)) });
    parts.push(t("sentence_reference", { side, kind: item.reference_kind ?? "", price: rupiah(item.reference_price_idr) }));
    if (item.regions_above) {
      const values = { above: whole(item.regions_above), of: whole(item.provinces), days: whole(item.days_above) };
      parts.push(t("sentence_regions", values));
    }
  }
  if (item.provinces > 1) {
    const { highest, lowest } = item;
    parts.push(t("sentence_extremes", { high: highest.region, high_price: rupiah(highest.price_idr), low: lowest.region, low_price: rupiah(lowest.price_idr) }));
  }
  if (item.age_days > 0) parts.push(t("sentence_age", { days: whole(item.age_days) }));
  return parts.join(" ");
}

/** The gravest first: by level, then by the 7-day rise; old figures last. */
export function byGravity(items: OverviewItem[]): OverviewItem[] {
  const CURRENT_DAYS = 7;
  const rank = (item: OverviewItem) => (item.level === null ? LEVELS.length : LEVELS.indexOf(item.level));
  const isOld = (item: OverviewItem) => Number(item.age_days > CURRENT_DAYS);
  const rise = (item: OverviewItem) => item.change_7d_pct ?? -Infinity;
  return [...items].sort((one, other) => isOld(one) - isOld(other) || rank(one) - rank(other) || rise(other) - rise(one) || one.name.localeCompare(other.name));
}
export const sparkLabel = (item: OverviewItem): string => t("spark_label", { name: item.name, change: change(item.change_30d_pct) });
