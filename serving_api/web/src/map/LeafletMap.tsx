/** Provinces and markets to pan and zoom with Leaflet; loaded only by the map page. No tiles: nothing leaves the origin. */
import { effect } from "@preact/signals";
import L from "leaflet";
import { useEffect, useRef } from "preact/hooks";
import type { LivePrice, Market, PriceMap } from "../data/types.ts";
import { rupiah } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { theme } from "../theme.ts";
import { visible } from "../ui/visible.ts";
import { Hatch } from "./Legend.tsx";
import { loadOutlines, neighbour, outlines, type Outline, type Outlines } from "./outlines.ts";
import { chosenClasses, isShown, pointed } from "./filter.ts";
import { colorClass, provinceText } from "./scale.ts";

const HEAT_PX = 7;
const EDGE_PX = 48;
/** From here on the prices of markets stand next to them; further away only of the one under pointer or focus. */
const NAMES_FROM_ZOOM = 6.5;
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

/** The price, and the name that is shown under pointer or focus. */
function tooltip(price: number | null, name: string): HTMLElement {
  const text = document.createElement("span");
  text.append(Object.assign(plain(name), { className: "place" }), Object.assign(plain(price === null ? t("no_report") : rupiah(price)), { className: "price" }));
  return text;
}

interface Place {
  x: number;
  y: number;
  /** Moves the map until the market is in sight. */
  reveal: () => void;
  element: SVGElement;
  tooltip: HTMLElement;
  label: string;
}
/** Markets by keyboard: one tab stop, arrows go to the nearest market that way; pointer and focus show its name. */
function walkable(places: readonly Place[]): void {
  places.forEach((place, nth) => {
    const { element } = place;
    const show = (shown: boolean) => () => place.tooltip.classList.toggle("on", shown);
    element.setAttribute("tabindex", nth ? "-1" : "0");
    element.setAttribute("role", "img");
    element.setAttribute("aria-label", visible(place.label));
    for (const [name, shown] of [["focus", true], ["blur", false], ["pointerenter", true], ["pointerleave", false]] as const) element.addEventListener(name, show(shown));
    element.addEventListener("focus", place.reveal);
    element.addEventListener("keydown", (event) => {
      const next = neighbour(place, event.key, places);
      if (!next) return;
      event.preventDefault();
      event.stopPropagation(); // Leaflet would move the map
      element.setAttribute("tabindex", "-1");
      next.element.setAttribute("tabindex", "0");
      next.element.focus();
    });
  });
}

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
    const showNames = () => box.current?.classList.toggle("near-by", leaflet.getZoom() >= NAMES_FROM_ZOOM);
    leaflet.on("zoomend", showNames);
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
      const region = map.regions.find(({ code }) => code === shape.code);
      const value = region?.value ?? null;
      const text = `${shape.name}: ${provinceText(shape.code, value, metric, region?.price_idr)}`;
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
    const places: Place[] = [];
    const reporting = (market: Market) => Number(prices.has(market.market_id));
    for (const market of markets.toSorted((one, other) => reporting(other) - reporting(one))) {
      if (market.latitude === null || market.longitude === null || market.level !== "market") continue;
      const price = prices.get(market.market_id)?.price_idr ?? null;
      const heat = price === null ? "" : heatClass(price, map, national);
      const name = `${market.name}, ${market.region}`;
      const marker = L.circleMarker([market.latitude, market.longitude], { className: `market ${heat}`, radius: heat ? HEAT_PX : 5, weight: 2 })
        .bindTooltip(tooltip(price, name), { permanent: true, direction: "right", offset: [HEAT_PX, 0], className: price === null ? "of-market" : "of-market priced", opacity: 1 })
        .addTo(group);
      const reveal = () => void view.current?.panInside(marker.getLatLng(), { padding: [EDGE_PX, EDGE_PX], animate: false });
      places.push({ x: market.longitude, y: -market.latitude, reveal, element: marker.getElement() as SVGElement, tooltip: marker.getTooltip()!.getElement()!, label: `${name}: ${price === null ? t("no_report") : rupiah(price)}` });
    }
    walkable(places);
    return effect(() => polygons.forEach((polygon, name) => polygon.getElement()?.classList.toggle("near", name === pointed.value)));
  }, [shapes, map, markets, prices, national, chosen, shownTheme, classes]);
  return (
    <>
      <svg class="defs" aria-hidden="true">
        <Hatch id="hatch" />
      </svg>
      <div ref={box} class="leaflet-box" role="application" aria-label={t("map_label")} />
    </>
  );
}
