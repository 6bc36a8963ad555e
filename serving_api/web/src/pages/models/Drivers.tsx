/** What the price model looks at: the share of each kind of feature, and of each feature. */
import { address } from "../../data/feed.ts";
import type { Importance } from "../../data/types.ts";
import { share, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { column, type Column } from "../../ui/DataTable.tsx";
import { Bars } from "../../ui/Figures.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { commodity } from "../../ui/controls.tsx";
import { byKind } from "./kinds.ts";

const MOST_ROWS = 1000;
const SQL = "select commodity, rank, feature, importance, measured_at from gold.feature_importance where model = 'price' order by commodity, rank";
const COLUMNS: Column<Importance>[] = [
  column("rank", "place", whole),
  column("feature", "feature", (feature) => <code>{feature}</code>),
  column("importance", "importance_share", share),
];

export function Drivers() {
  const list = address("/api/v1/models/importance", { model: "price", commodity: commodity(), limit: MOST_ROWS });
  return (
    <TablePanel title={t("drivers")} list={list} columns={COLUMNS} keyOf={(row) => row.feature} class="half" file={`drivers-${commodity()}`} sql={SQL}>
      {(rows) => (
        <>
          <p>{t("drivers_note")}</p>
          <Bars bars={byKind(rows).map(([kind, part]) => ({ name: t(kind), value: part, max: 1, text: share(part) }))} />
        </>
      )}
    </TablePanel>
  );
}
