/** Sales of a shop: revenue by category and day, best products, the prediction, and what the model is worth. */
import { Curve } from "../../chart/Curve.tsx";
import { address, useFeed } from "../../data/feed.ts";
import { usePost } from "../../data/post.ts";
import type { RowOf, SalesModelReport } from "../../data/types.ts";
import { day, dayOfSeconds, figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { secondsOf } from "../../chart/panel.ts";
import { DataTable, SaveCsv, type Column } from "../../ui/DataTable.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { CategoryChoice, chosen, ProductForm, Verdict, useSalesModel, type FormField } from "./parts.tsx";

type CategoryRevenue = RowOf<"/analytics/revenue">;
type RevenueDay = RowOf<"/api/v1/retail/revenue-history">;
type TopProduct = RowOf<"/api/v1/retail/top-products">;
type SplitScores = SalesModelReport["scores"][number];
type LeakRow = SalesModelReport["leaks"][number];

const categoryColumns = (): Column<CategoryRevenue>[] => [
  { name: "category", title: t("category"), value: (row) => row.category, isText: true },
  { name: "revenue", title: t("revenue"), value: (row) => row.revenue, show: (row) => whole(row.revenue) },
  { name: "units_sold", title: t("units_sold"), value: (row) => row.units_sold, show: (row) => whole(row.units_sold) },
  { name: "products", title: t("products"), value: (row) => row.products, show: (row) => whole(row.products) },
  { name: "average_price", title: t("average_price"), value: (row) => row.average_price, show: (row) => figure(row.average_price) },
  { name: "discount_cost", title: t("discount_cost"), value: (row) => row.discount_cost, show: (row) => whole(row.discount_cost) },
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

/** The largest categories as bars against the largest of them. */
function Bars({ rows }: { rows: CategoryRevenue[] }) {
  const largest = rows.toSorted((one, other) => other.revenue - one.revenue).slice(0, MOST_BARS);
  return (
    <dl class="bars">
      {largest.map((row) => (
        <div key={row.category}>
          <dt>{row.category}</dt>
          <dd>
            <meter min={0} max={Math.max(largest[0].revenue, 1)} value={row.revenue} aria-label={row.category} /> {whole(row.revenue)}
          </dd>
        </div>
      ))}
    </dl>
  );
}

function Revenue() {
  const feed = useFeed(address("/analytics/revenue", chosen()));
  return (
    <Panel title={t("revenue")} feed={feed} class="full" isEmpty={(body) => !body.items.length} empty={t("empty_shop")} tools={<SaveCsv file="revenue" columns={categoryColumns()} rows={feed.body?.items} />} sql="select * from gold.revenue where newest">
      {(body) => (
        <>
          <p class="lead">{t("revenue_sentence", { revenue: [whole(body.total_revenue), body.currency].filter(Boolean).join(" "), units: whole(body.items.reduce((sum, row) => sum + row.units_sold, 0)) })}</p>
          <Bars rows={body.items} />
          <DataTable label={t("revenue")} columns={categoryColumns()} rows={body.items} keyOf={(row) => row.category} />
          <p class="note">{t("revenue_note")}</p>
        </>
      )}
    </Panel>
  );
}

function Days() {
  const feed = useFeed(address("/api/v1/retail/revenue-history", { ...chosen(), limit: 1000 }));
  const columns: Column<RevenueDay>[] = [
    { name: "market_date", title: t("day"), value: (row) => row.market_date, show: (row) => day(row.market_date), isText: true },
    { name: "category", title: t("category"), value: (row) => row.category, isText: true },
    { name: "units_new", title: t("units_new"), value: (row) => row.units_new, show: (row) => whole(row.units_new) },
    { name: "revenue_new", title: t("revenue_new"), value: (row) => row.revenue_new, show: (row) => whole(row.revenue_new) },
    { name: "revenue", title: t("revenue"), value: (row) => row.revenue, show: (row) => whole(row.revenue) },
  ];
  return (
    <Panel title={t("revenue_by_day")} feed={feed} class="half" isEmpty={(body) => !body.items.length} empty={t("empty_shop")} tools={<SaveCsv file="revenue-days" columns={columns} rows={feed.body?.items} />} sql="select * from gold.revenue">
      {(body) => {
        const points = byDay(body.items.toReversed());
        return (
          <>
            {points.length > 1 && <Curve points={points} label={t("revenue_by_day")} showX={dayOfSeconds} showY={whole} />}
            <DataTable label={t("revenue_by_day")} columns={columns} rows={body.items} keyOf={(row) => `${row.market_date}|${row.category}`} />
          </>
        );
      }}
    </Panel>
  );
}

function TopProducts() {
  const feed = useFeed(address("/api/v1/retail/top-products", { ...chosen(), limit: 20 }));
  const columns: Column<TopProduct>[] = [
    { name: "product_name", title: t("product"), value: (row) => row.product_name, isText: true },
    { name: "category", title: t("category"), value: (row) => row.category, isText: true },
    { name: "revenue", title: t("revenue"), value: (row) => row.revenue, show: (row) => whole(row.revenue) },
    { name: "units_sold", title: t("units_sold"), value: (row) => row.units_sold, show: (row) => whole(row.units_sold) },
    { name: "price", title: t("price"), value: (row) => row.price, show: (row) => figure(row.price) },
  ];
  return (
    <Panel title={t("top_products")} feed={feed} class="half" isEmpty={(body) => !body.items.length} empty={t("empty_shop")} tools={<SaveCsv file="top-products" columns={columns} rows={feed.body?.items} />} sql="select * from gold.top_products">
      {(body) => <DataTable label={t("top_products")} columns={columns} rows={body.items} keyOf={(row) => String(row.product_id)} />}
    </Panel>
  );
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
                {t(body.target === "units_a_day" ? "predicted_a_day" : "predicted_so_far", { units: figure(body.predicted_sales), low: figure(body.lower), high: figure(body.upper), level: percent(100 * body.interval_level) })}{" "}
                {t("confidence_sentence", { share: percent(100 * body.confidence) })}
              </output>
            )}
          </ProductForm>
        </>
      )}
    </Panel>
  );
}

function ModelCard() {
  const feed = useSalesModel();
  const scores: Column<SplitScores>[] = [
    { name: "model", title: t("model"), value: (row) => row.model, isText: true, show: (row) => (row.champion ? `${row.model} ✓` : row.model) },
    { name: "split", title: t("split"), value: (row) => row.split, isText: true, show: (row) => t(`split_${row.split}`) },
    { name: "r2", title: t("r2_pooled"), value: (row) => row.r2, show: (row) => figure(row.r2) },
    { name: "r2_within", title: t("r2_within"), value: (row) => row.r2_within, show: (row) => figure(row.r2_within) },
    { name: "r2_log", title: t("r2_log"), value: (row) => row.r2_log, show: (row) => figure(row.r2_log) },
    { name: "wape_pct", title: t("wape"), value: (row) => row.wape_pct, show: (row) => percent(row.wape_pct) },
    { name: "rmse", title: t("rmse"), value: (row) => row.rmse, show: (row) => figure(row.rmse) },
    { name: "mae", title: t("mae"), value: (row) => row.mae, show: (row) => figure(row.mae) },
    { name: "skill", title: t("skill_median"), value: (row) => row.skill, show: (row) => figure(row.skill) },
    { name: "skill_naive", title: t("skill_naive"), value: (row) => row.skill_naive, show: (row) => figure(row.skill_naive) },
    { name: "coverage_90", title: t("coverage_90"), value: (row) => row.coverage_90, show: (row) => (row.coverage_90 === null ? "–" : percent(100 * row.coverage_90)) },
  ];
  const leaks: Column<LeakRow>[] = [
    { name: "column_name", title: t("column"), value: (row) => row.column_name, isText: true },
    { name: "role", title: t("role"), value: (row) => row.role, isText: true, show: (row) => t(row.role === "left out" ? "role_left_out" : `role_${row.role}`) },
    { name: "r2_alone", title: t("r2_alone"), value: (row) => row.r2_alone, show: (row) => figure(row.r2_alone) },
    { name: "r2_with_inputs", title: t("r2_with_inputs"), value: (row) => row.r2_with_inputs, show: (row) => figure(row.r2_with_inputs) },
    { name: "verdict", title: t("leak_verdict"), value: (row) => row.verdict, isText: true, show: (row) => (row.verdict === "gives the target away" ? <span class="grave">{t("leaks")}</span> : t("leaks_not")) },
  ];
  return (
    <Panel title={t("model_card")} feed={feed} class="full" isEmpty={(body) => !body.leaks.length} empty={t("model_untrained")} tools={<SaveCsv file="sales-model" columns={scores} rows={feed.body?.scores} />}>
      {(body) => {
        const worst = Math.max(0, ...body.leaks.filter((row) => row.role === "control").map((row) => row.r2_with_inputs));
        return (
          <>
            <Verdict report={body} />
            <DataTable label={t("model_card")} columns={scores} rows={body.scores} keyOf={(row) => `${row.model}|${row.split}`} />
            <h3>{t("leak_audit")}</h3>
            <p>{t("leak_sentence", { published: figure(body.published_r2), leaky: figure(worst) })}</p>
            <DataTable label={t("leak_audit")} columns={leaks} rows={body.leaks} keyOf={(row) => row.column_name} />
            <h3>{t("importance")}</h3>
            <ul>
              {body.importance.map((row) => (
                <li key={row.feature}>
                  {row.feature}: {percent(100 * row.importance)}
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
