/** Customers of a shop: ratings, satisfaction, engagement, and what is in stock for them. */
import { address, useFeed } from "../../data/feed.ts";
import type { RowOf } from "../../data/types.ts";
import { day, figure, percent, whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { DataTable, SaveCsv, type Column } from "../../ui/DataTable.tsx";
import { Panel } from "../../ui/Panel.tsx";
import { chosen, CategoryChoice } from "./parts.tsx";

type Satisfaction = RowOf<"/analytics/customer-satisfaction">;
type ProductSentiment = RowOf<"/api/v1/retail/product-sentiment">;

const ratings = (): Column<Satisfaction>[] => [
  { name: "category", title: t("category"), value: (row) => row.category, isText: true },
  { name: "satisfaction_index", title: t("satisfaction_index"), value: (row) => row.satisfaction_index, show: (row) => figure(row.satisfaction_index) },
  { name: "bayesian_rating", title: t("bayesian_rating"), value: (row) => row.bayesian_rating, show: (row) => figure(row.bayesian_rating) },
  { name: "average_rating", title: t("average_rating"), value: (row) => row.average_rating, show: (row) => figure(row.average_rating) },
  { name: "high_rating_pct", title: t("high_rating"), value: (row) => row.high_rating_pct, show: (row) => percent(row.high_rating_pct) },
  { name: "reviews", title: t("reviews"), value: (row) => row.reviews, show: (row) => whole(row.reviews) },
  { name: "engagement", title: t("engagement"), value: (row) => row.engagement, show: (row) => figure(row.engagement) },
];
const stock = (): Column<Satisfaction>[] => [
  { name: "category", title: t("category"), value: (row) => row.category, isText: true },
  { name: "stock_quantity", title: t("stock"), value: (row) => row.stock_quantity, show: (row) => whole(row.stock_quantity) },
  { name: "sold_out", title: t("sold_out"), value: (row) => row.sold_out, show: (row) => whole(row.sold_out) },
  { name: "days_of_cover", title: t("days_of_cover"), value: (row) => row.days_of_cover, show: (row) => figure(row.days_of_cover) },
];
const named = (): Column<ProductSentiment>[] => [
  { name: "product_name", title: t("product"), value: (row) => row.product_name, isText: true },
  { name: "category", title: t("category"), value: (row) => row.category, isText: true },
  { name: "posts", title: t("posts"), value: (row) => row.posts, show: (row) => whole(row.posts) },
  { name: "positive", title: t("posts_positive"), value: (row) => row.positive, show: (row) => whole(row.positive) },
  { name: "neutral", title: t("posts_neutral"), value: (row) => row.neutral, show: (row) => whole(row.neutral) },
  { name: "negative", title: t("posts_negative"), value: (row) => row.negative, show: (row) => whole(row.negative) },
  { name: "score", title: t("posts_score"), value: (row) => row.score, show: (row) => figure(row.score) },
  { name: "newest", title: t("posts_newest"), value: (row) => row.newest, show: (row) => day(row.newest), isText: true },
];

function ProductPosts() {
  const feed = useFeed(address("/api/v1/retail/product-sentiment", chosen()));
  const tools = <SaveCsv file="product-sentiment" columns={named()} rows={feed.body?.items} />;
  return (
    <Panel title={t("review_texts")} feed={feed} class="half" isEmpty={(body) => !body.items.length} empty={t("review_texts_none")} tools={tools} sql="select * from gold.sentiment where subject_kind = 'product'">
      {(body) => (
        <>
          <DataTable label={t("review_texts")} columns={named()} rows={body.items} keyOf={(row) => `${row.category}/${row.product_name}`} />
          <p class="note">{t(body.meta.model?.name === "lexicon" ? "review_texts_words" : "review_texts_model")}</p>
        </>
      )}
    </Panel>
  );
}

export function Customers() {
  const feed = useFeed(address("/analytics/customer-satisfaction", chosen()));
  const isEmpty = (body: { items: Satisfaction[] }) => !body.items.length;
  const panel = (title: string, file: string, columns: Column<Satisfaction>[], note: string, size: string) => (
    <Panel title={title} feed={feed} class={size} isEmpty={isEmpty} empty={t("empty_shop")} tools={<SaveCsv file={file} columns={columns} rows={feed.body?.items} />} sql="select * from gold.customer_satisfaction">
      {(body) => (
        <>
          <DataTable label={title} columns={columns} rows={body.items} keyOf={(row) => row.category} />
          <p class="note">{note}</p>
        </>
      )}
    </Panel>
  );
  return (
    <>
      <CategoryChoice />
      <div class="grid">
        {panel(t("satisfaction"), "satisfaction", ratings(), t("satisfaction_note"), "full")}
        {panel(t("stock"), "stock", stock(), t("stock_note"), "half")}
        <ProductPosts />
      </div>
    </>
  );
}
