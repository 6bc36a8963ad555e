/** The outlines of the provinces: loaded once, when a map is first shown. */
import { signal } from "@preact/signals";
// The build copies conf/geo beside the sources.
import address from "../../geo/provinces.geo";

export interface Outline {
  code: string;
  name: string;
  d: string;
  x: number;
  y: number;
}
export interface Outlines {
  west: number;
  north: number;
  scale: number;
  width: number;
  height: number;
  provinces: Outline[];
}
export const outlines = signal<Outlines | null>(null);
let request: Promise<void> | null = null;

export function loadOutlines(): void {
  request ??= fetch(address)
    .then((response) => response.json())
    .then((body: Outlines) => {
      outlines.value = body;
    })
    .catch(() => {
      request = null; // the next map tries again
    });
}

interface Box {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

/** What outlines cover together. */
export function boxOf(shapes: readonly Outline[]): Box {
  const box = { left: Infinity, top: Infinity, right: -Infinity, bottom: -Infinity };
  for (const { d } of shapes)
    for (const pair of d.split(/[MLZ]/).filter(Boolean)) {
      const [x, y] = pair.split(" ").map(Number);
      box.left = Math.min(box.left, x);
      box.right = Math.max(box.right, x);
      box.top = Math.min(box.top, y);
      box.bottom = Math.max(box.bottom, y);
    }
  return box;
}

const JAVA: ReadonlySet<string> = new Set(["31", "32", "33", "34", "35", "36"]);
const INSET_EDGE = 4;
/** The part of the map that is drawn larger, as its small provinces cannot be read: Java and what is next to it. */
export function javaInset(all: readonly Outline[]): { box: Box; shapes: Outline[] } {
  const java = boxOf(all.filter(({ code }) => JAVA.has(code)));
  const box = { left: java.left - INSET_EDGE, top: java.top - INSET_EDGE, right: java.right + INSET_EDGE, bottom: java.bottom + INSET_EDGE };
  const isNear = (shape: Outline) => {
    const own = boxOf([shape]);
    return own.left < box.right && own.right > box.left && own.top < box.bottom && own.bottom > box.top;
  };
  return { box, shapes: all.filter(isNear) };
}

/** The nearest place in the direction of an arrow key. */
export function neighbour<Place extends { x: number; y: number }>(from: Place, key: string, all: readonly Place[]): Place | null {
  const directions: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const direction = directions[key];
  if (!direction) return null;
  const [dx, dy] = direction;
  let best: Place | null = null;
  let least = Infinity;
  for (const other of all) {
    const along = (other.x - from.x) * dx + (other.y - from.y) * dy;
    const across = Math.abs((other.x - from.x) * dy) + Math.abs((other.y - from.y) * dx);
    if (other === from || along <= 0 || across > along * 2 || along + across * 2 >= least) continue;
    least = along + across * 2;
    best = other;
  }
  return best;
}
