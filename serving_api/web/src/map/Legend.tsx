/** The legend of a map, with the attribution of its outlines. */
import type { PriceMap } from "../data/types.ts";
import { t } from "../i18n/index.ts";
import { classText, colorClass, type Metric } from "./scale.ts";

export function Legend({ map }: { map: PriceMap }) {
  const metric = map.metric as Metric;
  return (
    <figcaption>
      <ol class="legend" aria-label={t("legend")}>
        {map.legend.map((entry) => (
          <li key={entry.label}>
            <i class={`swatch ${colorClass(entry.from ?? (entry.to ?? 0) - 1, metric, map.legend)}`} />
            {classText(entry, metric)}
          </li>
        ))}
        <li>
          <i class="swatch none" />
          {t("no_report")}
        </li>
      </ol>
      <small>
        {t("outlines_source")} <a href="https://creativecommons.org/licenses/by/4.0/" rel="noreferrer">CC BY 4.0</a>
      </small>
    </figcaption>
  );
}
