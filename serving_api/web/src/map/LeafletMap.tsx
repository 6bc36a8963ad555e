/** Provinces and markets to pan and zoom with Leaflet; loaded only by the map page. No tiles: nothing leaves the origin. */
import { effect } from "@preact/signals";
import L from "leaflet";
import { useEffect, useRef } from "preact/hooks";
import type { LivePrice, Market, PriceMap } from "../data/types.ts";
import { rupiah } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { theme } from "../theme.ts";
import { visible } from "../ui/visible.ts";
import { loadOutlines, outlines, type Outline, type Outlines } from "./outlines.ts";
import { chosenClasses, isShown, pointed } from "./filter.ts";
import { colorClass, provinceText } from "./scale.ts";

const HEAT_PX = 7;
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

/** A text as Leaflet takes it: what it gets as a string, it shows as HTML. */
const plain = (text: string): HTMLElement => Object.assign(document.createElement("span"), { textContent: visible(text) });

interface LeafletProps {
  map: PriceMap;
  markets: Market[];
  /** The price of each market that has one. */
  prices: ReadonlyMap<string, LivePrice>;
  /** The national price of the day of the map. */
  national: number | null;
  chosen: string | null;
  choose: (name: string | null) => void;
}

/** A market's price in the classes of the map: those of prices, or of gaps to the national price. */
function heatClass(price: number, map: PriceMap, national: number | null): string {
  if (map.metric === "price") return colorClass(price, "price", map.legend);
  return map.metric === "gap_national" && national ? colorClass(100 * (price / national - 1), "gap_national", map.legend) : "";
}

export default function LeafletMap({ map, markets, prices, national, chosen, choose }: LeafletProps) {
  const box = useRef<HTMLDivElement>(null);
  const view = useRef<L.Map | null>(null);
  const layer = useRef<L.LayerGroup | null>(null);
  useEffect(loadOutlines, []);
  useEffect(() => {
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const leaflet = L.map(box.current!, { attributionControl: false, zoomSnap: 0.25, zoomAnimation: !still, fadeAnimation: !still });
    let zooming = false;
    leaflet.fitBounds(BOUNDS).on("resize", () => leaflet.fitBounds(BOUNDS, { animate: false }));
    leaflet.on("zoomstart", () => (zooming = true)).on("zoomend", () => (zooming = false));
    layer.current = L.layerGroup().addTo(leaflet);
    view.current = leaflet;
    return () => {
      view.current = null;
      // Leaflet fails when the map is gone before its zoom has ended.
      if (zooming) leaflet.once("zoomend", () => setTimeout(() => leaflet.remove()));
      else leaflet.remove();
    };
  }, []);
  const shapes = outlines.value;
  const shownTheme = theme.value;
  const classes = [...chosenClasses()].join();
  useEffect(() => {
    const group = layer.current;
    if (!group || !shapes) return;
    group.clearLayers();
    const { metric } = map;
    const polygons = new Map<string, L.Polygon>();
    for (const shape of shapes.provinces) {
      const value = map.regions.find(({ code }) => code === shape.code)?.value ?? null;
      const text = `${shape.name}: ${provinceText(shape.code, value, metric)}`;
      const isChosen = shape.name === chosen;
      const muted = isShown(value, map.legend) ? "" : " muted";
      const polygon = L.polygon(ringsOf(shape, shapes), { className: `province ${colorClass(value, metric, map.legend)}${muted}${isChosen ? " on" : ""}`, weight: isChosen ? 2.5 : 1 })
        .bindTooltip(plain(text), { sticky: true })
        .on("click", () => choose(isChosen ? null : shape.name))
        .on("mouseover", () => (pointed.value = shape.name))
        .on("mouseout", () => (pointed.value = null))
        .addTo(group);
      polygons.set(shape.name, polygon);
    }
    for (const market of markets) {
      if (market.latitude === null || market.longitude === null || market.level !== "market") continue;
      const price = prices.get(market.market_id)?.price_idr ?? null;
      const heat = price === null ? "" : heatClass(price, map, national);
      L.circleMarker([market.latitude, market.longitude], { className: `market ${heat}`, radius: heat ? HEAT_PX : 5, weight: 2 })
        .bindTooltip(plain([market.name, market.region, ...(price === null ? [] : [rupiah(price)])].join(", ")))
        .addTo(group);
    }
    return effect(() => polygons.forEach((polygon, name) => polygon.getElement()?.classList.toggle("near", name === pointed.value)));
  }, [shapes, map, markets, prices, national, chosen, shownTheme, classes]);
  return <div ref={box} class="leaflet-box" role="application" aria-label={t("map_label")} />;
}
