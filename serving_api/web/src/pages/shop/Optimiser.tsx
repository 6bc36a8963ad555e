/** The price of a product or category that brings the most revenue, or profit where the unit cost is given. */
import { Curve } from "../../chart/Curve.tsx";
import { usePost } from "../../data/post.ts";
import { figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { Panel } from "../../ui/Panel.tsx";
import { ProductForm, Verdict, useSalesModel, type FormField } from "./parts.tsx";

const FIELDS: FormField[] = [
  { name: "discount_percentage", label: "discount_pct", value: 0, min: 0, max: 100, step: "any" },
  { name: "rating", label: "rating", value: 4, min: 1, max: 5, step: "any" },
  { name: "num_reviews", label: "reviews", value: 100, min: 0, step: 1 },
  { name: "price_min", label: "price_from", value: 20, min: 0, step: "any" },
  { name: "price_max", label: "price_to", value: 300, min: 0, step: "any" },
];

export function Optimiser() {
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
