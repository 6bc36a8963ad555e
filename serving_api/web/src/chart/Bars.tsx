/** Bars over equal steps, each of parts that stand on one another; the first part is the usual one. */
export interface Bar {
  parts: number[];
  text: string;
}
const WIDTH = 640;
const HEIGHT = 90;
const GAP = 3;
/** What is not nothing can be seen. */
const LEAST_PX = 2;

interface BarsProps {
  bars: Bar[];
  label: string;
  /** What stands below each bar; empty: nothing. */
  marks?: string[];
}

export function Bars({ bars, label, marks = [] }: BarsProps) {
  const most = Math.max(1, ...bars.map(({ parts }) => parts.reduce((sum, part) => sum + part, 0)));
  const step = WIDTH / bars.length;
  const drawing = (
    <svg class="stacked" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" role="img" aria-label={label}>
      {bars.map(({ parts, text }, nth) => {
        let top = HEIGHT - 1;
        return (
          <g key={nth}>
            <title>{text}</title>
            <rect class="ground" x={nth * step} y={0} width={step - GAP} height={HEIGHT} />
            {parts.map((part, place) => {
              const height = part ? Math.max(LEAST_PX, (part / most) * (HEIGHT - 2 - LEAST_PX * parts.length)) : 0;
              top -= height;
              return <rect key={place} class={`part${place}`} x={nth * step} y={top} width={step - GAP} height={height} />;
            })}
          </g>
        );
      })}
    </svg>
  );
  return (
    <>
      {drawing}
      {marks.length > 0 && (
        <div class="marks" aria-hidden="true">
          {marks.map((mark, nth) => (
            <span key={nth}>{mark}</span>
          ))}
        </div>
      )}
    </>
  );
}
