/** Customers of a shop: ratings and what lifts them, satisfaction, engagement, and what is in stock for them. */
import { useState } from "preact/hooks";
import { address } from "../../data/feed.ts";
import { modelOf, type RowOf } from "../../data/types.ts";
import { day, figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { column, type Column } from "../../ui/DataTable.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { CategoryChoice, chosen, tenths, Workbook } from "./parts.tsx";
import { reviewsToPass } from "./ratings.ts";

type Satisfaction = RowOf<"/analytics/customer-satisfaction">;
const RATINGS: Column<Satisfaction>[] = [
  column("category", "category"),
  column("satisfaction_index", "satisfaction_index", tenths),
  column("bayesian_rating", "bayesian_rating", figure),
  column("average_rating", "average_rating", figure),
  column("high_rating_pct", "high_rating", percent),
  column("reviews", "reviews", whole),
  column("engagement", "engagement", figure),
];
const STOCK: Column<Satisfaction>[] = [
  column("category", "category"),
  column("stock_quantity", "stock", whole),
  column("sold_out", "sold_out", whole),
  column("days_of_cover", "days_of_cover", tenths),
];
const TEXTS: Column<RowOf<"/api/v1/retail/product-sentiment">>[] = [
  column("product_name", "product"),
  column("category", "category"),
  column("posts", "posts", whole),
  column("positive", "posts_positive", whole),
  column("neutral", "posts_neutral", whole),
  column("negative", "posts_negative", whole),
  column("score", "posts_score", figure),
  column("newest", "posts_newest", day),
];
const SQL = "select * from gold.customer_satisfaction";
const TEXTS_SQL = "select * from gold.sentiment where subject_kind = 'product'";
const MOST_STARS = 5;
const TARGET = 4;

/** How many good reviews a category needs, from the figures of the table. */
function Calculator({ rows }: { rows: Satisfaction[] }) {
  const [name, setName] = useState("");
  const [target, setTarget] = useState(TARGET);
  const [stars, setStars] = useState(MOST_STARS);
  const row = rows.find(({ category }) => category === name) ?? rows[0];
  const needed = reviewsToPass(row.bayesian_rating, row.reviews, row.prior_reviews, target, stars);
  const values = { category: row.category, target: figure(target), stars: figure(stars), count: whole(needed) };
  const number = (label: string, value: number, set: (value: number) => void) => (
    <label>
      {label}
      <input type="number" value={value} step="any" onInput={(event) => event.currentTarget.validity.valid && event.currentTarget.value && set(event.currentTarget.valueAsNumber)} />
    </label>
  );
  return (
    <>
      <h3>{t("stars_title")}</h3>
      <div class="product">
        <label>
          {t("category")}
          <select value={row.category} onChange={(event) => setName(event.currentTarget.value)}>
            {rows.map(({ category }) => (
              <option key={category}>{category}</option>
            ))}
          </select>
        </label>
        {number(t("stars_target"), target, setTarget)}
        {number(t("stars_given"), stars, setStars)}
        <output>{t(needed === null ? "stars_never" : needed ? "stars_needed" : "stars_passed", values)}</output>
      </div>
    </>
  );
}

/** Highest and lowest; of one category nothing is to be compared. */
function bestSentence(rows: Satisfaction[]): string | null {
  const sorted = rows.toSorted((one, other) => other.bayesian_rating - one.bayesian_rating);
  const [best, last] = [sorted[0], sorted.at(-1)!];
  if (best === last) return null;
  return t("satisfaction_best", { category: best.category, rating: figure(best.bayesian_rating), reviews: whole(best.reviews), last: last.category, last_rating: figure(last.bayesian_rating) });
}

export function Customers() {
  const list = address("/analytics/customer-satisfaction", chosen());
  const texts = address("/api/v1/retail/product-sentiment", chosen());
  return (
    <>
      <CategoryChoice />
      <div class="grid">
        <TablePanel title={t("satisfaction")} list={list} columns={RATINGS} keyOf={(row) => row.category} class="full" file="satisfaction" empty={t("empty_shop")} note={t("satisfaction_note")} tools={<Workbook list={list} />} sql={SQL}>
          {(rows) => (
            <>
              <p class="lead">{bestSentence(rows)}</p>
              <p>{t("prior_sentence", { rating: figure(rows[0].prior_rating), reviews: figure(rows[0].prior_reviews) })}</p>
              <Calculator rows={rows} />
            </>
          )}
        </TablePanel>
        <TablePanel title={t("stock")} list={list} columns={STOCK} keyOf={(row) => row.category} class="half" file="stock" empty={t("empty_shop")} note={t("stock_note")} sql={SQL} />
        <TablePanel title={t("review_texts")} list={texts} columns={TEXTS} keyOf={(row) => `${row.category}/${row.product_name}`} class="half" file="product-sentiment" empty={t("review_texts_none")} tools={<Workbook list={texts} />} sql={TEXTS_SQL}>
          {(_, body) => <p class="note">{t(modelOf(body)?.name === "lexicon" ? "review_texts_words" : "review_texts_model")}</p>}
        </TablePanel>
      </div>
    </>
  );
}
