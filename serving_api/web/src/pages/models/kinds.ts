/** The kinds of what a price model uses. */
import type { Importance } from "../../data/types.ts";
import type { Key } from "../../i18n/index.ts";

/** The kinds of features, by the beginning of their names as ml/features gives them. */
const KINDS: [RegExp, Key][] = [
  [/^(r\d|gap_(ma|ema|median)|acceleration|sd\d|v\d|largest|rsi|macd|band|z\d|momentum|noise|days_since|unchanged|reports)/, "driver_own"],
  [/^(n\d|own\d|gap|level_gap|breadth|spread|same_share|last_year|lead|near|cheap)/, "driver_provinces"],
  [/^(basket|group|family|sibling)/, "driver_commodities"],
  [/^second/, "driver_source"],
  [/^ceiling/, "driver_ceiling"],
  [/^(weekday|year|fitri|adha|natal|ramadan|holidays|pay_days|month)/, "driver_calendar"],
  [/^(rain|temperature|humidity)/, "driver_weather"],
];

/** The share of each kind, largest first. */
export function byKind(items: Importance[]): [Key, number][] {
  const sums = new Map<Key, number>();
  for (const { feature, importance } of items) {
    const kind = KINDS.find(([names]) => names.test(feature))?.[1] ?? "driver_other";
    sums.set(kind, (sums.get(kind) ?? 0) + importance);
  }
  return [...sums].sort(([, one], [, other]) => other - one);
}
