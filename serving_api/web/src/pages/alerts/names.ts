/** The names of alerts. */
import type { Alert } from "../../data/types.ts";
import { dayIn, moment } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import type { Column } from "../../ui/DataTable.tsx";
import { useSupported, useZones } from "../../ui/controls.tsx";

const JAKARTA = "Asia/Jakarta";
/** What rings. */
export const ALERTS_SQL = "select level, state, rule, commodity, region, market_id, message_indonesian, action_indonesian, opened_at, acknowledged_at from gold.alerts where state in ('pending', 'active', 'acknowledged') order by opened_at desc";
const SAVED = ["alert_id", "rule", "level", "state", "commodity", "region", "market_id", "message", "action", "value", "price_idr", "market_date", "opened_at", "active_at", "acknowledged_at", "closed_at", "outcome_pct"] as const;
export const alertColumns = (): Column<Alert>[] => SAVED.map((name) => ({ name, title: name, value: (alert) => alert[name] }));
/** Commodity, place and days of an alert in words. */
export function useNames() {
  const supported = useSupported().body;
  const zoneOf = useZones();
  const known = new Map(supported?.commodities.map((entry) => [entry.commodity, entry.name]));
  return {
    title: (alert: Alert): string => (alert.commodity === null ? textOr(`alert_rule_${alert.rule}`, alert.rule) : (known.get(alert.commodity) ?? alert.commodity)),
    /** A moment on the clocks of its province. */
    moment: (alert: Alert, iso: string | null): string => moment(iso, zoneOf(alert.region)),
    /** The local day of a step that begins with a market day. */
    day: (alert: Alert, iso: string | null): string => dayIn(iso, zoneOf(alert.region) ?? JAKARTA),
    place: (alert: Alert): string => [alert.market_id, alert.region ?? (alert.market_id ? null : t("nation"))].filter(Boolean).join(", "),
  };
}
