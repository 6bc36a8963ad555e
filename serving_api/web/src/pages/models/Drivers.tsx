/** What the price model looks at: the share of each kind of feature, and of each feature. */
import { address, useFeed } from "../../data/feed.ts";
import type { Importance } from "../../data/types.ts";
import { percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { DataTable, SaveCsv, type Column } from "../../ui/DataTable.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { commodity } from "../../ui/controls.tsx";
import { byKind } from "./kinds.ts";

const MOST_ROWS = 1000;
const SQL = "select commodity, rank, feature, importance, measured_at from gold.feature_importance where model = 'price' order by commodity, rank";
const columns = (): Column<Importance>[] => [
  { name: "rank", title: t("place"), value: (row) => row.rank, show: (row) => whole(row.rank) },
  { name: "feature", title: t("feature"), value: (row) => row.feature, isText: true, show: (row) => <code>{row.feature}</code> },
  { name: "importance", title: t("importance_share"), value: (row) => row.importance, show: (row) => percent(100 * row.importance) },
];

export function Drivers() {
  const feed = useFeed(address("/api/v1/models/importance", { model: "price", commodity: commodity(), limit: MOST_ROWS }));
  return (
    <Panel title={t("drivers")} feed={feed} class="half" sql={SQL} tools={<SaveCsv file={`drivers-${commodity()}`} columns={columns()} rows={feed.body?.items} />} isEmpty={(body) => !body.items.length}>
      {(body) => (
        <>
          <p>{t("drivers_note")}</p>
          <dl class="bars">
            {byKind(body.items).map(([kind, share]) => (
              <div key={kind}>
                <dt>{t(kind)}</dt>
                <dd>
                  <meter min={0} max={1} value={share} aria-label={t(kind)} /> {percent(100 * share)}
                </dd>
              </div>
            ))}
          </dl>
          <DataTable label={t("drivers")} columns={columns()} rows={body.items} keyOf={(row) => row.feature} />
        </>
      )}
    </Panel>
  );
}
