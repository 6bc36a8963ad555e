/** Closed trades of the account by symbol, time or reason. */
import { address } from "../../data/feed.ts";
import type { RowOf } from "../../data/types.ts";
import { day, figure, monthOf, whole } from "../../i18n/format.ts";
import { t, textOr } from "../../i18n/index.ts";
import { param, setParams } from "../../router.ts";
import { column, derivedColumn, type Column } from "../../ui/DataTable.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { Choices } from "../../ui/controls.tsx";

const LIST = "/api/v1/performance";
const GROUPS = ["symbol", "day", "week", "month", "entry", "exit"] as const;
type Group = (typeof GROUPS)[number];

/** A key in words: 20 Nov 2026, Nov 26, a stop; symbols and weeks as they are. */
function keyText(by: Group, key: string): string {
  if (by === "day") return day(key);
  if (by === "month") return monthOf(key);
  return by === "entry" || by === "exit" ? textOr(`by_${key}`, key) : key;
}

const columnsOf = (by: Group): Column<RowOf<typeof LIST>>[] => [
  derivedColumn("key", by, (row) => row.key, (row) => keyText(by, row.key)),
  column("trades", "trades_closed", whole),
  column("wins", "wins", whole),
  column("net_pnl", "net_pnl", figure),
  column("average_pnl", "expectancy", figure),
  column("fees", "fees_paid", figure),
];

export function Performance() {
  const given = param("menurut");
  const by = GROUPS.find((group) => group === given) ?? "symbol";
  const tools = <Choices label={t("performance")} options={GROUPS.map((group) => [group, t(group)])} value={by} choose={(group) => setParams({ menurut: group === "symbol" ? null : group })} />;
  return <TablePanel title={t("performance")} list={address(LIST, { by })} columns={columnsOf(by)} keyOf={(row) => row.key} class="full" file={`performance-${by}`} tools={tools} empty={t("no_closed_trade")} />;
}
