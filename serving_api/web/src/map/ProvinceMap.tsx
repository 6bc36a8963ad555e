/** The provinces as SVG: one tab stop, arrows go to the nearest province that way, Enter chooses it. */
import { useEffect, useRef } from "preact/hooks";
import type { MapRegion, PriceMap } from "../data/types.ts";
import { t } from "../i18n/index.ts";
import { Legend } from "./Legend.tsx";
import { loadOutlines, neighbour, outlines, type Outline } from "./outlines.ts";
import { isShown, pointed } from "./filter.ts";
import { colorClass, metricKey, provinceText } from "./scale.ts";

const FIRST = "DKI Jakarta";

interface MapProps {
  map: PriceMap;
  chosen: string | null;
  choose: (name: string | null) => void;
}

export function ProvinceMap({ map, chosen, choose }: MapProps) {
  const svg = useRef<SVGSVGElement>(null);
  useEffect(loadOutlines, []);
  const shapes = outlines.value;
  if (!shapes) {
    return (
      <div class="skeleton map" role="status">
        {t("loading")}
      </div>
    );
  }
  const { metric } = map;
  const regions = new Map<string, MapRegion>(map.regions.map((region) => [region.code, region]));
  const valueOf = ({ code }: Outline) => regions.get(code)?.value ?? null;
  const label = (shape: Outline) => `${shape.name}: ${provinceText(shape.code, valueOf(shape), metric)}`;
  const classes = (shape: Outline) => `province ${colorClass(valueOf(shape), metric, map.legend)}${isShown(valueOf(shape), map.legend) ? "" : " muted"}${shape.name === pointed.value ? " near" : ""}`;
  const point = (name: string | null) => () => {
    pointed.value = name;
  };
  const onKey = (event: KeyboardEvent, shape: Outline) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(chosen === shape.name ? null : shape.name);
    }
    const target = neighbour(shape, event.key, shapes.provinces);
    if (!target) return;
    event.preventDefault();
    svg.current?.querySelectorAll("[data-code]").forEach((path) => path.setAttribute("tabindex", "-1"));
    const path = svg.current?.querySelector<SVGElement>(`[data-code="${target.code}"]`);
    path?.setAttribute("tabindex", "0");
    path?.focus();
  };
  const outline = shapes.provinces.find(({ name }) => name === chosen);
  return (
    <figure class="map">
      <svg ref={svg} viewBox={`0 -6 ${shapes.width} ${shapes.height + 12}`} role="group" aria-label={t(metricKey(metric))}>
        <defs>
          <pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">
            <rect width="6" height="6" class="hatch-ground" />
            <line x1="0" y1="0" x2="0" y2="6" class="hatch-line" />
          </pattern>
        </defs>
        {shapes.provinces.map((shape) => (
          <path
            key={shape.code}
            d={shape.d}
            data-code={shape.code}
            class={classes(shape)}
            {...{ tabindex: shape.name === (chosen ?? FIRST) ? 0 : -1 }}
            role="button"
            aria-pressed={shape.name === chosen}
            aria-label={label(shape)}
            onPointerEnter={point(shape.name)}
            onPointerLeave={point(null)}
            onFocus={point(shape.name)}
            onBlur={point(null)}
            onClick={() => choose(chosen === shape.name ? null : shape.name)}
            onKeyDown={(event) => onKey(event, shape)}
          >
            <title>{label(shape)}</title>
          </path>
        ))}
        {outline && <path d={outline.d} class="ring" aria-hidden="true" />}
      </svg>
      <Legend map={map} />
    </figure>
  );
}
