import { whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { ChartOrTable } from "../ui/ChartOrTable.tsx";
import type { Column } from "../ui/DataTable.tsx";

/** A line with its interval over a number or a day: the price curve, ratings by price, revenue by day. */
export interface CurvePoint {
  x: number;
  y: number;
  low?: number;
  high?: number;
  /** The same of the period before; null where it is unknown. */
  before?: number | null;
}
interface CurveProps {
  points: CurvePoint[];
  label: string;
  showX: (x: number) => string;
  showY: (y: number) => string;
  /** A vertical line, such as the best price. */
  mark?: number | null;
  /** The area between the line and this value is filled. */
  ground?: number;
  /** What the line and the dashed one are; else this period and the one before. */
  names?: [line: string, dashed: string];
}
const WIDTH = 640;
const HEIGHT = 240;
const LEFT = 104; // room for figures of nine digits on a phone, where the text is larger against the drawing
const BOTTOM = 26;
const TOP = 10;

/** The line, or its points as a table. */
export function Curve(props: CurveProps) {
  const { points, label, showX, showY } = props;
  const [line, dashed] = props.names ?? [t("this_period"), t("period_before")];
  const column = (name: string, title: string, value: (point: CurvePoint) => number | null): Column<CurvePoint> => ({ name, title, value, show: (point) => (value(point) === null ? "–" : showY(value(point)!)) });
  const ends = points.some((point) => point.low !== undefined) ? [column("low", t("lower_end"), (point) => point.low ?? null), column("high", t("upper_end"), (point) => point.high ?? null)] : [];
  const hasBefore = points.some((point) => point.before != null);
  const columns = [{ ...column("at", t("curve_at"), (point) => point.x), show: (point: CurvePoint) => showX(point.x) || whole(point.x) }, column("value", props.names ? line : t("value"), (point) => point.y), ...(hasBefore ? [column("before", dashed, (point) => point.before ?? null)] : []), ...ends];
  return (
    <ChartOrTable label={label} columns={columns} rows={points} keyOf={(point) => String(point.x)}>
      <Drawing {...props} />
      {hasBefore && (
        <ul class="legend">
          <li>
            <i class="sign past" aria-hidden="true" /> {line}
          </li>
          <li>
            <i class="sign before" aria-hidden="true" /> {dashed}
          </li>
        </ul>
      )}
    </ChartOrTable>
  );
}

function Drawing({ points, label, showX, showY, mark, ground }: CurveProps) {
  const highs = points.map(({ high, y }) => Math.max(high ?? y, ground ?? -Infinity));
  const lows = points.map(({ low, y }) => Math.min(low ?? y, ground ?? Infinity));
  const earlier = points.flatMap(({ before }) => (before == null ? [] : [before]));
  const [left, right] = [points[0].x, points.at(-1)!.x];
  const [bottom, top] = [Math.min(...lows, ...earlier), Math.max(...highs, ...earlier)];
  const x = (value: number) => LEFT + ((value - left) / (right - left || 1)) * (WIDTH - LEFT - 12);
  const y = (value: number) => TOP + ((top - value) / (top - bottom || 1)) * (HEIGHT - TOP - BOTTOM);
  const path = (values: number[]) => points.map((point, index) => `${x(point.x).toFixed(1)} ${y(values[index]).toFixed(1)}`);
  const before = points.map((point, index) => (point.before == null ? "" : `${points[index - 1]?.before == null ? "M" : "L"}${x(point.x).toFixed(1)} ${y(point.before).toFixed(1)}`));
  const band = [...path(highs), ...path(lows).reverse()].join("L");
  return (
    <svg class="curve" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={label}>
      <path class="band" d={`M${band}Z`} />
      {earlier.length > 0 && <path class="before" d={before.join("")} />}
      <path class="line" d={`M${path(points.map((point) => point.y)).join("L")}`} />
      {mark != null && <path class="mark" d={`M${x(mark).toFixed(1)} ${TOP}V${HEIGHT - BOTTOM}`} />}
      {[top, bottom].map((value) => (
        <text key={value} x={LEFT - 8} y={y(value) + 4} text-anchor="end">
          {showY(value)}
        </text>
      ))}
      {[left, right].map((value) => (
        <text key={value} x={x(value)} y={HEIGHT - 8} text-anchor={value === left ? "start" : "end"}>
          {showX(value)}
        </text>
      ))}
    </svg>
  );
}
