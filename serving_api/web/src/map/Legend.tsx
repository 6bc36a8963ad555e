/** The legend of a map, whose classes filter map and table, with the attribution of the outlines. */
import type { PriceMap } from "../data/types.ts";
import { t } from "../i18n/index.ts";
import { chosenClasses, toggleClass, UNREPORTED } from "./filter.ts";
import { classText, colorClass } from "./scale.ts";

/** The hatch of provinces without a report; `scale`: units of the drawing for a pixel. */
export function Hatch({ id, scale = 1 }: { id: string; scale?: number }) {
  return (
    <defs>
      <pattern id={id} width="7" height="7" patternUnits="userSpaceOnUse" patternTransform={`rotate(45) scale(${scale})`}>
        <rect width="7" height="7" class="hatch-ground" />
        <line x1="0" y1="0" x2="0" y2="7" class="hatch-line" />
      </pattern>
    </defs>
  );
}

export function Legend({ map }: { map: PriceMap }) {
  const { metric } = map;
  const chosen = chosenClasses();
  const classes = map.legend.map((entry, nth) => ({ nth, name: colorClass(entry.from ?? (entry.to ?? 0) - 1, metric, map.legend), text: classText(entry, metric) }));
  return (
    <figcaption>
      <ul class="legend" aria-label={t("legend")}>
        {[...classes, { nth: UNREPORTED, name: "none", text: t("no_report") }].map(({ nth, name, text }) => (
          <li key={nth}>
            <button aria-pressed={chosen.has(nth)} onClick={() => toggleClass(nth)}>
              <i class={`swatch ${name}`} />
              {text}
            </button>
          </li>
        ))}
      </ul>
      <small>
        {t("outlines_source")} <a href="https://creativecommons.org/licenses/by/4.0/" rel="noreferrer">CC BY 4.0</a>
      </small>
    </figcaption>
  );
}
