/** What a chart draws, each kind with its sign: a chip hides and shows it, and the address says which are hidden. */
import { t, type Key } from "../i18n/index.ts";
import { param, setParams } from "../router.ts";
import { kindsOf, type Kind, type Panel } from "./panel.ts";

const NAMES: Record<Kind, Key> = {
  provinces: "chart_provinces",
  national: "national_price",
  ceiling: "ceiling",
  forecast: "chart_forecast",
  past: "past_forecasts",
  dots: "chart_dots",
};
const PARAMETER = "sembunyi";
/** The kinds that the reader has hidden. */
export const hiddenKinds = (): ReadonlySet<string> => new Set((param(PARAMETER) ?? "").split(",").filter(Boolean));

/** `panel`: with all its kinds. */
export function ChartLegend({ panel }: { panel: Panel }) {
  const hidden = hiddenKinds();
  const kinds = kindsOf(panel);
  const toggle = (kind: string) => {
    const next = new Set(hidden);
    if (!next.delete(kind)) next.add(kind);
    setParams({ [PARAMETER]: kinds.filter((each) => next.has(each)).join(",") || null }, false);
  };
  return (
    <div class="legend chips noprint" role="group" aria-label={t("chart_legend")}>
      {kinds.map((kind) => (
        <button key={kind} aria-pressed={!hidden.has(kind)} onClick={() => toggle(kind)}>
          <i class={`sign ${kind}`} aria-hidden="true" />
          {t(NAMES[kind])}
        </button>
      ))}
    </div>
  );
}
