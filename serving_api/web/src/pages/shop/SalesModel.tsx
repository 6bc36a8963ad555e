/** The sales model of a shop: a form for its prediction, and what it is worth. */
import { usePost } from "../../data/post.ts";
import type { SalesModelReport } from "../../data/types.ts";
import { figure, percent, share } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { column, derivedColumn, DataTable, SaveCsv, type Column } from "../../ui/DataTable.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { ProductForm, Verdict, useSalesModel, type FormField } from "./parts.tsx";

type SplitScores = SalesModelReport["scores"][number];
type LeakRow = SalesModelReport["leaks"][number];

const FIELDS: FormField[] = [
  { name: "price", label: "price", value: 100, min: 0, step: "any" },
  { name: "discount_percentage", label: "discount_pct", value: 0, min: 0, max: 100, step: "any" },
  { name: "rating", label: "rating", value: 4, min: 1, max: 5, step: "any" },
  { name: "num_reviews", label: "reviews", value: 100, min: 0, step: 1 },
];

export function Prediction() {
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

export function ModelCard() {
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
