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

/** The nearest province in the direction of an arrow key. */
export function neighbour(from: Outline, key: string, all: readonly Outline[]): Outline | null {
  const directions: Record<string, [number, number]> = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  const direction = directions[key];
  if (!direction) return null;
  const [dx, dy] = direction;
  let best: Outline | null = null;
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
