/** Sales of a shop: revenue by category and day, best products, the prediction, and what the model is worth. */
import { Curve } from "../../chart/Curve.tsx";
import { address } from "../../data/feed.ts";
import { usePost } from "../../data/post.ts";
import type { RowOf, SalesModelReport } from "../../data/types.ts";
import { day, dayOfSeconds, figure, percent, share, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { secondsOf } from "../../chart/panel.ts";
import { column, derivedColumn, DataTable, SaveCsv, type Column } from "../../ui/DataTable.tsx";
import { Bars } from "../../ui/Figures.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { CategoryChoice, chosen, ProductForm, Verdict, useSalesModel, type FormField } from "./parts.tsx";

type CategoryRevenue = RowOf<"/analytics/revenue">;
type RevenueDay = RowOf<"/api/v1/retail/revenue-history">;
type SplitScores = SalesModelReport["scores"][number];
type LeakRow = SalesModelReport["leaks"][number];

const CATEGORIES: Column<CategoryRevenue>[] = [
  column("category", "category"),
  column("revenue", "revenue", whole),
  column("units_sold", "units_sold", whole),
  column("products", "products", whole),
  column("average_price", "average_price", figure),
  column("discount_cost", "discount_cost", whole),
];
const DAYS: Column<RevenueDay>[] = [
  column("market_date", "day", day),
  column("category", "category"),
  column("units_new", "units_new", whole),
  column("revenue_new", "revenue_new", whole),
  column("revenue", "revenue", whole),
];
const PRODUCTS: Column<RowOf<"/api/v1/retail/top-products">>[] = [
  column("product_name", "product"),
  column("category", "category"),
  column("revenue", "revenue", whole),
  column("units_sold", "units_sold", whole),
  column("price", "price", figure),
];

/** Revenue so far at the end of each day: each category counts with its newest state. */
function byDay(days: RevenueDay[]): { x: number; y: number }[] {
  const held = new Map<string, number>();
  const points = new Map<string, number>();
  for (const row of days) {
    held.set(row.category, row.revenue);
    points.set(row.market_date, [...held.values()].reduce((sum, value) => sum + value, 0));
  }
  return [...points].map(([date, y]) => ({ x: secondsOf(date), y }));
}

const MOST_BARS = 8;

function Revenue() {
  return (
    <TablePanel title={t("revenue")} list={address("/analytics/revenue", chosen())} columns={CATEGORIES} keyOf={(row) => row.category} class="full" file="revenue" empty={t("empty_shop")} note={t("revenue_note")} sql="select * from gold.revenue where newest">
      {(rows, body) => {
        const largest = rows.toSorted((one, other) => other.revenue - one.revenue).slice(0, MOST_BARS);
        return (
          <>
            <p class="lead">{t("revenue_sentence", { revenue: [whole(body.total_revenue), body.currency].filter(Boolean).join(" "), units: whole(rows.reduce((sum, row) => sum + row.units_sold, 0)) })}</p>
            <Bars bars={largest.map((row) => ({ name: row.category, value: row.revenue, text: whole(row.revenue) }))} />
          </>
        );
      }}
    </TablePanel>
  );
}

function Days() {
  return (
    <TablePanel title={t("revenue_by_day")} list={address("/api/v1/retail/revenue-history", { ...chosen(), limit: 1000 })} columns={DAYS} keyOf={(row) => `${row.market_date}|${row.category}`} class="half" file="revenue-days" empty={t("empty_shop")} sql="select * from gold.revenue">
      {(rows) => {
        const points = byDay(rows.toReversed());
        return points.length > 1 && <Curve points={points} label={t("revenue_by_day")} showX={dayOfSeconds} showY={whole} />;
      }}
    </TablePanel>
  );
}

function TopProducts() {
  return <TablePanel title={t("top_products")} list={address("/api/v1/retail/top-products", { ...chosen(), limit: 20 })} columns={PRODUCTS} keyOf={(row) => String(row.product_id)} class="half" file="top-products" empty={t("empty_shop")} sql="select * from gold.top_products" />;
}

const FIELDS: FormField[] = [
  { name: "price", label: "price", value: 100, min: 0, step: "any" },
  { name: "discount_percentage", label: "discount_pct", value: 0, min: 0, max: 100, step: "any" },
  { name: "rating", label: "rating", value: 4, min: 1, max: 5, step: "any" },
  { name: "num_reviews", label: "reviews", value: 100, min: 0, step: 1 },
];

function Prediction() {
  const feed = useSalesModel();
  const [sent, send] = usePost("/predict/sales");
  const { body } = sent;
  return (
    <Panel title={t("sales_prediction")} feed={feed} class="full">
      {(report) => (
        <>
          <Verdict report={report} />
          <ProductForm fields={FIELDS} action="predict" sent={sent} send={send}>
            {body && (
              <output>
                {t(body.target === "units_a_day" ? "predicted_a_day" : "predicted_so_far", { units: figure(body.predicted_sales), low: figure(body.lower), high: figure(body.upper), level: share(body.interval_level) })}{" "}
                {t("confidence_sentence", { share: share(body.confidence) })}
              </output>
            )}
          </ProductForm>
        </>
      )}
    </Panel>
  );
}

const SCORES: Column<SplitScores>[] = [
  derivedColumn("model", "model", (row) => row.model, (row) => (row.champion ? `${row.model} ✓` : row.model)),
  column("split", "split", (split) => t(`split_${split}`)),
  column("r2", "r2_pooled", figure),
  column("r2_within", "r2_within", figure),
  column("r2_log", "r2_log", figure),
  column("wape_pct", "wape", percent),
  column("rmse", "rmse", figure),
  column("mae", "mae", figure),
  column("skill", "skill_median", figure),
  column("skill_naive", "skill_naive", figure),
  column("coverage_90", "coverage_90", share),
];
const LEAKS: Column<LeakRow>[] = [
  column("column_name", "column"),
  column("role", "role", (role) => t(role === "left out" ? "role_left_out" : `role_${role}`)),
  column("r2_alone", "r2_alone", figure),
  column("r2_with_inputs", "r2_with_inputs", figure),
  column("verdict", "leak_verdict", (verdict) => (verdict === "gives the target away" ? <span class="grave">{t("leaks")}</span> : t("leaks_not"))),
];

function ModelCard() {
  const feed = useSalesModel();
  return (
    <Panel title={t("model_card")} feed={feed} class="full" isEmpty={(body) => !body.leaks.length} empty={t("model_untrained")} tools={<SaveCsv file="sales-model" columns={SCORES} rows={feed.body?.scores} />}>
      {(body) => {
        const worst = Math.max(0, ...body.leaks.filter((row) => row.role === "control").map((row) => row.r2_with_inputs));
        return (
          <>
            <Verdict report={body} />
            <DataTable label={t("model_card")} columns={SCORES} rows={body.scores} keyOf={(row) => `${row.model}|${row.split}`} />
            <h3>{t("leak_audit")}</h3>
            <p>{t("leak_sentence", { published: figure(body.published_r2), leaky: figure(worst) })}</p>
            <DataTable label={t("leak_audit")} columns={LEAKS} rows={body.leaks} keyOf={(row) => row.column_name} />
            <h3>{t("importance")}</h3>
            <ul>
              {body.importance.map((row) => (
                <li key={row.feature}>
                  {row.feature}: {share(row.importance)}
                </li>
              ))}
            </ul>
          </>
        );
      }}
    </Panel>
  );
}

export function Sales() {
  return (
    <>
      <CategoryChoice />
      <div class="grid">
        <Revenue />
        <Days />
        <TopProducts />
        <Prediction />
        <ModelCard />
      </div>
    </>
  );
}
