/** Provinces and markets to pan and zoom with Leaflet; loaded only by the map page. No tiles: nothing leaves the origin. */
import L from "leaflet";
import { useEffect, useRef } from "preact/hooks";
import type { Market, PriceMap } from "../data/types.ts";
import { t } from "../i18n/index.ts";
import { theme } from "../theme.ts";
import { loadOutlines, outlines, type Outline, type Outlines } from "./outlines.ts";
import { colorClass, valueText, type Metric } from "./scale.ts";

const BOUNDS: L.LatLngBoundsExpression = [[-11.3, 94.8], [6.4, 141.2]];

/** The rings of an outline as latitude and longitude. */
export function ringsOf(shape: Outline, { west, north, scale }: Outlines): L.LatLngTuple[][] {
  return shape.d
    .split("Z")
    .filter(Boolean)
    .map((ring) =>
      ring
        .slice(1)
        .split("L")
        .map((pair) => {
          const [x, y] = pair.split(" ").map(Number);
          return [north - y / scale, west + x / scale];
        }),
    );
}

interface LeafletProps {
  map: PriceMap;
  markets: Market[];
  chosen: string | null;
  choose: (name: string | null) => void;
}

export default function LeafletMap({ map, markets, chosen, choose }: LeafletProps) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<L.Map | null>(null);
  const layer = useRef<L.LayerGroup | null>(null);
  useEffect(loadOutlines, []);
  useEffect(() => {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const leaflet = L.map(box.current!, { attributionControl: false, zoomSnap: 0.25, zoomAnimation: !still, fadeAnimation: !still });
    leaflet.fitBounds(BOUNDS);
    layer.current = L.layerGroup().addTo(leaflet);
    view.current = leaflet;
    return () => {
      leaflet.remove();
      view.current = null;
    };
  }, []);
  const shapes = outlines.value;
  const shownTheme = theme.value;
  useEffect(() => {
    const group = layer.current;
    if (!group || !shapes) return;
    group.clearLayers();
    const metric = map.metric as Metric;
    for (const shape of shapes.provinces) {
      const value = map.regions.find(({ code }) => code === shape.code)?.value ?? null;
      const text = `${shape.name}: ${value === null ? t("no_report") : valueText(value, metric)}`;
      const isChosen = shape.name === chosen;
      L.polygon(ringsOf(shape, shapes), { className: `province ${colorClass(value, metric, map.legend)}${isChosen ? " on" : ""}`, weight: isChosen ? 2.5 : 1 })
        .bindTooltip(text, { sticky: true })
        .on("click", () => choose(isChosen ? null : shape.name))
        .addTo(group);
    }
    for (const market of markets) {
      if (market.latitude === null || market.longitude === null || market.level !== "market") continue;
      L.circleMarker([market.latitude, market.longitude], { className: "market", radius: 5, weight: 2 })
        .bindTooltip(`${market.name}, ${market.region}`)
        .addTo(group);
    }
  }, [shapes, map, markets, chosen, shownTheme]);
  return <div ref={box} class="leaflet-box" role="application" aria-label={t("map_label")} />;
}
