/** Values with their intervals on one scale, a row each, and a second figure to compare them with. */
import type { ComponentChildren } from "preact";

export interface Interval {
  name: string;
  value: number;
  low: number;
  high: number;
  /** Drawn as a diamond; null: unknown. */
  other: number | null;
  text: ComponentChildren;
}
interface IntervalsProps {
  rows: Interval[];
  label: string;
  /** A vertical line, such as no change. */
  line: number;
  /** What the dot with its interval, the diamond and the line are. */
  names: [dot: string, diamond: string, line: string];
}
const DOT = 4;
const MARGIN = 3; // percent of the width

export function Intervals({ rows, label, line, names }: IntervalsProps) {
  const ends = [line, ...rows.flatMap(({ low, high, other }) => [low, high, other ?? low])];
  const [left, right] = [Math.min(...ends), Math.max(...ends)];
  const x = (value: number) => `${(MARGIN + ((value - left) / (right - left || 1)) * (100 - 2 * MARGIN)).toFixed(2)}%`;
  const signs = [<circle class="dot" cx="50%" cy="50%" r={DOT} />, <Diamond x="50%" />, <line class="zero" x1="50%" x2="50%" y1="0" y2="100%" />];
  return (
    <>
      <dl class="bars paired intervals" aria-label={label}>
        {rows.map(({ name, value, low, high, other, text }) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>
              <svg aria-hidden="true">
                <line class="zero" x1={x(line)} x2={x(line)} y1="0" y2="100%" />
                <line class="range" x1={x(low)} x2={x(high)} y1="50%" y2="50%" />
                <circle class="dot" cx={x(value)} cy="50%" r={DOT} />
                {other !== null && <Diamond x={x(other)} />}
              </svg>
              {text}
            </dd>
          </div>
        ))}
      </dl>
      <ul class="legend">
        {names.map((name, place) => (
          <li key={name}>
            <svg class="mark" aria-hidden="true">
              {signs[place]}
            </svg>{" "}
            {name}
          </li>
        ))}
      </ul>
    </>
  );
}

const Diamond = ({ x }: { x: string }) => (
  <svg x={x} y="50%" class="diamond">
    <path d="M0-5 5 0 0 5-5 0Z" />
  </svg>
);
