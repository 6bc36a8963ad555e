/** Named figures: in a row, or as bars. */
import type { ComponentChildren } from "preact";
import { t } from "../i18n/index.ts";

/** A name, its figure, and a class for its tone. */
export type Fact = [name: string, text: ComponentChildren, tone?: string];

export function Facts({ facts, class: name = "strip" }: { facts: Fact[]; class?: string }) {
  return (
    <dl class={name}>
      {facts.map(([title, text, tone]) => (
        <div key={title}>
          <dt>{title}</dt>
          <dd class={tone}>{text}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Large figures in a row, each with what it is to be compared with. */
export function Tiles({ tiles }: { tiles: [name: string, value: ComponentChildren, more: ComponentChildren][] }) {
  return (
    <dl class="tiles">
      {tiles.map(([name, value, more]) => (
        <div key={name} class="tile">
          <dt>{name}</dt>
          <dd>{value}</dd>
          <dd class="more">{more}</dd>
        </div>
      ))}
    </dl>
  );
}

export interface Bar {
  name: string;
  value: number;
  text: ComponentChildren;
  /** Of a bar by itself; else the largest value is the whole. */
  max?: number;
  /** What it was in the period before: a thinner bar below, with its own text. */
  before?: { value: number; text: ComponentChildren } | null;
}

/** `isPaired`: every text has the same width, so that all bars have the same scale. */
export function Bars({ bars, label, isPaired = false }: { bars: Bar[]; label?: string; isPaired?: boolean }) {
  const most = Math.max(...bars.map(({ value, before }) => Math.max(value, before?.value ?? 0))) || 1;
  return (
    <dl class={isPaired ? "bars paired" : "bars"} aria-label={label}>
      {bars.map(({ name, value, text, max, before }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            <meter min={0} max={max ?? most} value={value} aria-label={name} /> {text}
          </dd>
          {before && (
            <dd class="before">
              <meter min={0} max={max ?? most} value={before.value} aria-label={`${name}, ${t("period_before")}`} /> {before.text}
            </dd>
          )}
        </div>
      ))}
    </dl>
  );
}

const HALF = 50;
/** A figure with a bar to its side of a middle line; `most`: the size that fills a half. */
export function SignedBar({ value, most, text }: { value: number | null; most: number; text: string }) {
  const width = value === null || !most ? 0 : (Math.abs(value) / most) * HALF;
  return (
    <span class="signed">
      <svg viewBox={`${-HALF} 0 ${2 * HALF} 10`} preserveAspectRatio="none" aria-hidden="true">
        <rect class={value !== null && value < 0 ? "fall" : "rise"} x={value !== null && value < 0 ? -width : 0} y={1} width={width} height={8} />
        <path d="M0 0V10" />
      </svg>
      {text}
    </span>
  );
}
