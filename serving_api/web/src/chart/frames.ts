/** The newest prices as they came, in typed arrays: a column for each frame, a row for each series. */
export const MOST_FRAMES = 1000;
export const MOST_SERIES = 20;
const MARGIN = 0.08;

export class Frames {
  readonly rows = new Map<string, Float64Array>();
  private readonly times = new Float64Array(MOST_FRAMES);
  private length = 1;

  /** `start`: the time before the first frame, seconds since 1970. */
  constructor(start: number) {
    this.times[0] = start;
  }

  /** How many frames are kept. */
  get count(): number {
    return this.length - 1;
  }

  /** Append a frame: what did not change stays; a new series begins at the price `before`, which is known or NaN. */
  push(seconds: number, changes: ReadonlyMap<string, number>, before: (name: string) => number): void {
    if (this.length === MOST_FRAMES) {
      for (const row of [this.times, ...this.rows.values()]) row.copyWithin(0, 1);
      this.length--;
    }
    for (const name of changes.keys()) {
      if (!this.rows.has(name) && this.rows.size < MOST_SERIES) this.rows.set(name, new Float64Array(MOST_FRAMES).fill(before(name), 0, this.length));
    }
    this.times[this.length] = seconds;
    for (const [name, row] of this.rows) row[this.length] = changes.get(name) ?? row[this.length - 1];
    this.length++;
  }

  /** Times, then the prices of each series; views of what is kept, which the next frame changes. */
  columns(): Float64Array[] {
    return [this.times, ...this.rows.values()].map((row) => row.subarray(0, this.length));
  }

  /** The least and the largest price, with a margin. */
  range(): [number, number] {
    let [low, high] = [Infinity, -Infinity];
    for (const row of this.columns().slice(1)) {
      for (const price of row) {
        if (price < low) low = price;
        if (price > high) high = price;
      }
    }
    if (low > high) return [0, 1];
    const margin = (high - low || high || 1) * MARGIN;
    return [low - margin, high + margin];
  }
}
