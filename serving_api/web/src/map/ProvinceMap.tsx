/**
 * The provinces as SVG: one tab stop, arrows go to the nearest province that way, Enter chooses it. Java is drawn once
 * more below, larger; what is pointed at or focused in one drawing is so in the other.
 */
import { useEffect, useRef } from "preact/hooks";
import type { MapRegion, PriceMap } from "../data/types.ts";
import { t } from "../i18n/index.ts";
import { Hatch, Legend } from "./Legend.tsx";
import { javaInset, loadOutlines, neighbour, outlines, type Outline } from "./outlines.ts";
import { isShown, pointed } from "./filter.ts";
import { colorClass, metricKey, provinceText } from "./scale.ts";

const FIRST = "DKI Jakarta";
/** Units of the drawing for a pixel, as wide as the maps usually are. */
const MAP_SCALE = 1.7;
const INSET_SCALE = 0.45;

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
  const label = (shape: Outline) => `${shape.name}: ${provinceText(shape.code, valueOf(shape), metric, regions.get(shape.code)?.price_idr)}`;
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
  const pointing = (shape: Outline) => ({ onPointerEnter: point(shape.name), onPointerLeave: point(null), onClick: () => choose(chosen === shape.name ? null : shape.name) });
  const ring = outline && <path d={outline.d} class="ring" aria-hidden="true" />;
  const { box, shapes: enlarged } = javaInset(shapes.provinces);
  const [width, height] = [box.right - box.left, box.bottom - box.top];
  return (
    <figure class="map">
      <svg ref={svg} viewBox={`0 -6 ${shapes.width} ${shapes.height + 12}`} role="group" aria-label={t(metricKey(metric))}>
        <Hatch id="hatch" scale={MAP_SCALE} />
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
            {...pointing(shape)}
            onFocus={point(shape.name)}
            onBlur={point(null)}
            onKeyDown={(event) => onKey(event, shape)}
          >
            <title>{label(shape)}</title>
          </path>
        ))}
        {ring}
        <rect class="inset-frame" x={box.left} y={box.top} width={width} height={height} />
      </svg>
      <div class="inset">
        <small>{t("map_inset")}</small>
        <svg viewBox={`${box.left} ${box.top} ${width} ${height}`} aria-hidden="true">
          <Hatch id="hatch-inset" scale={INSET_SCALE} />
          {enlarged.map((shape) => (
            <path key={shape.code} d={shape.d} data-inset={shape.code} class={classes(shape)} {...pointing(shape)}>
              <title>{label(shape)}</title>
            </path>
          ))}
          {ring}
        </svg>
      </div>
      <Legend map={map} />
    </figure>
  );
}
