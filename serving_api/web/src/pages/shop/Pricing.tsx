/** Prices of a shop: what goes along with discounts, price and rating, and the price that earns most. */
import { Curve } from "../../chart/Curve.tsx";
import { address, useFeed } from "../../data/feed.ts";
import { usePost } from "../../data/post.ts";
import type { RowOf } from "../../data/types.ts";
import { change, figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { DataTable, SaveCsv, type Column } from "../../ui/DataTable.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { CategoryChoice, chosen, ProductForm, Verdict, useSalesModel, type FormField } from "./parts.tsx";

type DiscountBand = RowOf<"/analytics/discount">;
type PriceRating = RowOf<"/analytics/price-rating">;

const lift = (share: number | null) => (share === null ? "–" : change(100 * share));

function Discounts() {
  const feed = useFeed(address("/analytics/discount", chosen()));
  const columns: Column<DiscountBand>[] = [
    { name: "category", title: t("category"), value: (row) => row.category, isText: true },
    { name: "discount_band", title: t("discount_band"), value: (row) => row.discount_band, isText: true, show: (row) => `${row.discount_band} %` },
    { name: "products", title: t("products"), value: (row) => row.products, show: (row) => whole(row.products) },
    { name: "lift_units", title: t("lift_units"), value: (row) => row.lift_units, show: (row) => lift(row.lift_units) },
    { name: "break_even_lift", title: t("break_even"), value: (row) => row.break_even_lift, show: (row) => lift(row.break_even_lift) },
    { name: "lift_revenue", title: t("lift_revenue"), value: (row) => row.lift_revenue, show: (row) => lift(row.lift_revenue) },
    { name: "lift_revenue_low", title: t("interval_low"), value: (row) => row.lift_revenue_low, show: (row) => lift(row.lift_revenue_low) },
    { name: "lift_revenue_high", title: t("interval_high"), value: (row) => row.lift_revenue_high, show: (row) => lift(row.lift_revenue_high) },
    { name: "effective", title: t("effective"), value: (row) => (row.effective === null ? null : Number(row.effective)), show: (row) => (row.effective === null ? "–" : t(row.effective ? "yes" : "not_shown")), isText: true },
  ];
  return (
    <Panel title={t("discounts")} feed={feed} class="full" isEmpty={(body) => !body.items.length} empty={t("empty_shop")} tools={<SaveCsv file="discounts" columns={columns} rows={feed.body?.items} />} sql="select * from gold.discount_effect">
      {(body) => (
        <>
          <p>{t("discount_note")}</p>
          <DataTable label={t("discounts")} columns={columns} rows={body.items} keyOf={(row) => `${row.category}|${row.discount_band}`} />
        </>
      )}
    </Panel>
  );
}

function Ratings() {
  const feed = useFeed(address("/analytics/price-rating", chosen()));
  const columns: Column<PriceRating>[] = [
    { name: "category", title: t("category"), value: (row) => row.category, isText: true },
    { name: "correlation", title: t("correlation"), value: (row) => row.correlation, show: (row) => figure(row.correlation) },
    { name: "ci_low", title: t("interval_low"), value: (row) => row.ci_low, show: (row) => figure(row.ci_low) },
    { name: "ci_high", title: t("interval_high"), value: (row) => row.ci_high, show: (row) => figure(row.ci_high) },
    { name: "n", title: t("products"), value: (row) => row.n, show: (row) => whole(row.n) },
    { name: "average_price", title: t("average_price"), value: (row) => row.average_price, show: (row) => figure(row.average_price) },
    { name: "average_rating", title: t("average_rating"), value: (row) => row.average_rating, show: (row) => figure(row.average_rating) },
  ];
  return (
    <Panel title={t("price_rating")} feed={feed} class="half" isEmpty={(body) => !body.items.length} empty={t("empty_shop")} tools={<SaveCsv file="price-rating" columns={columns} rows={feed.body?.items} />} sql="select * from gold.price_rating">
      {(body) => {
        const shown = body.items.find((row) => row.bands.length > 1);
        const points = shown?.bands.map((band) => ({ x: (band.price_low + band.price_high) / 2, y: band.rating, low: band.rating_low, high: band.rating_high }));
        return (
          <>
            <DataTable label={t("price_rating")} columns={columns} rows={body.items} keyOf={(row) => row.category} />
            {shown && <h3>{t("rating_by_price", { category: shown.category })}</h3>}
            {points && <Curve points={points} label={t("rating_by_price", { category: shown!.category })} showX={figure} showY={figure} />}
          </>
        );
      }}
    </Panel>
  );
}

const FIELDS: FormField[] = [
  { name: "discount_percentage", label: "discount_pct", value: 0, min: 0, max: 100, step: "any" },
  { name: "rating", label: "rating", value: 4, min: 1, max: 5, step: "any" },
  { name: "num_reviews", label: "reviews", value: 100, min: 0, step: 1 },
  { name: "price_min", label: "price_from", value: 20, min: 0, step: "any" },
  { name: "price_max", label: "price_to", value: 300, min: 0, step: "any" },
];

function Optimiser() {
  const feed = useSalesModel();
  const [sent, send] = usePost("/api/v1/retail/price-curve");
  const { body } = sent;
  return (
    <Panel title={t("optimiser")} feed={feed} class="half">
      {(report) => (
        <>
          <Verdict report={report} />
          <ProductForm fields={FIELDS} action="price_curve" sent={sent} send={send}>
            {body && (
              <output>
                {body.signal ? t("best_price", { price: figure(body.best_price), low: figure(body.best_price_low), high: figure(body.best_price_high) }) : <span class="grave">{t("curve_no_signal")}</span>}{" "}
                {t("observed_prices", { low: figure(body.observed_low), high: figure(body.observed_high) })}
              </output>
            )}
            {body && <Curve points={body.points.map((point) => ({ x: point.price, y: point.revenue, low: point.revenue_low, high: point.revenue_high }))} label={t("revenue_by_price", { level: percent(90) })} showX={figure} showY={whole} mark={body.signal ? body.best_price : null} />}
          </ProductForm>
        </>
      )}
    </Panel>
  );
}

export function Pricing() {
  return (
    <>
      <CategoryChoice />
      <div class="grid">
        <Discounts />
        <Optimiser />
        <Ratings />
      </div>
    </>
  );
}
