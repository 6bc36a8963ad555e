/** A line of 30 days without axes; a day without a price is a gap. */
const WIDTH = 96;
const HEIGHT = 26;

export function Spark({ values, label }: { values: (number | null)[]; label: string }) {
  const known = values.filter((value): value is number => value !== null);
  if (known.length < 2) return <span class="dim">–</span>;
  const low = Math.min(...known);
  const range = Math.max(...known) - low || 1;
  let path = "";
  let isGap = true;
  values.forEach((value, index) => {
    if (value === null) {
      isGap = true;
      return;
    }
    const x = (index / (values.length - 1)) * (WIDTH - 4) + 2;
    const y = HEIGHT - 3 - ((value - low) / range) * (HEIGHT - 6);
    path += `${isGap ? "M" : "L"}${x.toFixed(1)} ${y.toFixed(1)}`;
    isGap = false;
  });
  return (
    <svg class="spark" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} width={WIDTH} height={HEIGHT} role="img" aria-label={label}>
      <path d={path} />
    </svg>
  );
}
