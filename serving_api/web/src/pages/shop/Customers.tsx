/** Customers of a shop: ratings, satisfaction, engagement, and what is in stock for them. */
import { address } from "../../data/feed.ts";
import { modelOf, type RowOf } from "../../data/types.ts";
import { day, figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { column, type Column } from "../../ui/DataTable.tsx";
import { TablePanel } from "../../ui/TablePanel.tsx";
import { CategoryChoice, chosen } from "./parts.tsx";

type Satisfaction = RowOf<"/analytics/customer-satisfaction">;
const RATINGS: Column<Satisfaction>[] = [
  column("category", "category"),
  column("satisfaction_index", "satisfaction_index", figure),
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
  column("days_of_cover", "days_of_cover", figure),
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

export function Customers() {
  const list = address("/analytics/customer-satisfaction", chosen());
  const texts = address("/api/v1/retail/product-sentiment", chosen());
  return (
    <>
      <CategoryChoice />
      <div class="grid">
        <TablePanel title={t("satisfaction")} list={list} columns={RATINGS} keyOf={(row) => row.category} class="full" file="satisfaction" empty={t("empty_shop")} note={t("satisfaction_note")} sql={SQL} />
        <TablePanel title={t("stock")} list={list} columns={STOCK} keyOf={(row) => row.category} class="half" file="stock" empty={t("empty_shop")} note={t("stock_note")} sql={SQL} />
        <TablePanel title={t("review_texts")} list={texts} columns={TEXTS} keyOf={(row) => `${row.category}/${row.product_name}`} class="half" file="product-sentiment" empty={t("review_texts_none")} sql={TEXTS_SQL}>
          {(_, body) => <p class="note">{t(modelOf(body)?.name === "lexicon" ? "review_texts_words" : "review_texts_model")}</p>}
        </TablePanel>
      </div>
    </>
  );
}
