/** The chart of a commodity within a page of another site: nothing around it but where it comes from. */
import { useFeed } from "../data/feed.ts";
import { day } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { commodity } from "../ui/controls.tsx";
import { ChartPanel } from "./CommodityChart.tsx";
import { seriesAddress } from "./provinces.tsx";
import { chartPage } from "./Share.tsx";

export function Embedded() {
  const series = useFeed(seriesAddress()).body;
  const names = series?.sources.map((source) => source.name).join(", ");
  const licences = [...new Set(series?.sources.map((source) => source.licence ?? "–"))].join("; ");
  return (
    <>
      <h1>{series ? t("chart_title", { name: series.name, unit: series.unit }) : commodity()}</h1>
      <ChartPanel />
      <p class="note">
        {series?.meta.demo_data && `${t("origin_demo_text")} `}
        {series && `${t("chart_source", { sources: names || "–", day: day(series.dates.at(-1)), licence: licences || "–" })} `}
        <a href={chartPage()} target="_blank" rel="noopener">
          {t("embed_open")}
        </a>
      </p>
    </>
  );
}
