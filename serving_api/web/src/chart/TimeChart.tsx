/** Lines over days with uPlot: gaps stay gaps, the lines that matter bear their name where they end. */
import { useEffect, useRef, useState } from "preact/hooks";
import uPlot from "uplot";
import { rupiah, rupiahAxis } from "../i18n/format.ts";
import { lang, t } from "../i18n/index.ts";
import { theme } from "../theme.ts";
import { dayTicks, lonePoints, priceRange, readout, tickTexts, type Dot, type Line, type Panel, type Zoom } from "./panel.ts";
import { color, FONT } from "./style.ts";

const NARROW = 560;
const END_LABELS = 150;
/** Of so few days every price is a point. */
const FEW_DAYS = 31;
/** What a name on the axis of days needs. */
const TICK_PX = 76;
const AXIS_PX = 74;
const TIP_GAP = 12;
const STROKE_ALPHA = 0.55;
const RADIUS: Record<Dot["kind"], number> = { small: 3, medium: 5.5, large: 5.5, anomaly: 8 };
const COLOR: Record<Dot["kind"], string> = { small: "--ink-2", medium: "--ceiling", large: "--grave", anomaly: "--card" };
const isNamed = (line: Line) => line.kind !== "faint";

function colorOf(line: Line, nth: number): string {
  if (line.kind === "national") return color("--ink");
  if (line.kind === "faint") return color("--line-faint");
  if (line.kind === "compared") return color(["--compare-1", "--compare-2", "--compare-3"][nth % 3]);
  return color("--accent");
}

function seriesOf(panel: Panel): uPlot.Series[] {
  let compared = 0;
  const areFew = panel.seconds.length <= FEW_DAYS;
  const lines = panel.lines.map((line) => {
    const stroke = colorOf(line, line.kind === "compared" ? compared++ : 0);
    const lone = lonePoints(line.values);
    const hasPoints = line.kind !== "forecast" && (areFew || lone.length > 0);
    return {
      label: line.name,
      stroke,
      width: isNamed(line) ? 2.5 : 1,
      dash: line.kind === "forecast" ? [5, 4] : undefined,
      points: { show: hasPoints, size: isNamed(line) ? 6 : 4, fill: stroke, filter: () => (areFew ? null : lone) },
    };
  });
  // the edges keep an interval visible where its colour is near to that of the ground
  const ends = panel.bands.flatMap(({ name, kind }) => ["upper", "lower"].map((end) => ({ label: `${name} ${end}`, width: 1, stroke: color("--band-edge"), dash: kind === "wide" ? [2, 3] : undefined, points: { show: false } })));
  return [{}, ...lines, ...ends];
}

function dataOf(panel: Panel): uPlot.AlignedData {
  const ends = panel.bands.flatMap((band) => [band.upper, band.lower]);
  return [panel.seconds, ...panel.lines.map((line) => line.values), ...ends];
}

const lastIndex = (values: (number | null)[]) => values.findLastIndex((value) => value !== null);

/** Names and prices at the ends of the named lines, moved apart where they would overlap. */
function drawEnds(chart: uPlot, panel: Panel): void {
  const ratio = devicePixelRatio;
  const left = chart.bbox.left + chart.bbox.width + 8 * ratio;
  const labels = panel.lines.flatMap((line, index) => {
    const last = lastIndex(line.values);
    if (!isNamed(line) || last < 0) return [];
    const value = line.values[last]!;
    return [{ y: chart.valToPos(value, "y", true), name: line.name, value, stroke: (chart.series[index + 1].stroke as () => string)() }];
  });
  labels.sort((one, other) => one.y - other.y);
  labels.forEach((label, index) => {
    if (index) label.y = Math.max(label.y, labels[index - 1].y + 34 * ratio);
  });
  for (const label of labels) {
    chart.ctx.fillStyle = label.stroke;
    chart.ctx.textAlign = "left";
    chart.ctx.font = `600 ${12 * ratio}px ${FONT}`;
    chart.ctx.fillText(label.name.length > 20 ? `${label.name.slice(0, 19)}…` : label.name, left, label.y - 3 * ratio);
    chart.ctx.font = `700 ${14 * ratio}px ${FONT}`;
    chart.ctx.fillText(rupiah(label.value), left, label.y + 13 * ratio);
  }
}

/** Forecasts as they were issued, each a thin line over the days that it was for. */
function drawStrokes(chart: uPlot, panel: Panel): void {
  const { ctx } = chart;
  ctx.save();
  ctx.strokeStyle = color("--accent");
  ctx.globalAlpha = STROKE_ALPHA;
  ctx.lineWidth = devicePixelRatio;
  ctx.beginPath();
  for (const { points } of panel.strokes) {
    points.forEach(({ seconds, value }, nth) => ctx[nth ? "lineTo" : "moveTo"](chart.valToPos(seconds, "x", true), chart.valToPos(value, "y", true)));
  }
  ctx.stroke();
  ctx.restore();
}

/** The ceiling of each day as a dashed stair, with its name in a halo. */
function drawReference(chart: uPlot, panel: Panel): void {
  if (!panel.reference) return;
  const { ctx, bbox } = chart;
  const ratio = devicePixelRatio;
  ctx.strokeStyle = color("--ceiling");
  ctx.lineWidth = 1.5 * ratio;
  ctx.setLineDash([6 * ratio, 4 * ratio]);
  ctx.beginPath();
  let before: number | null = null;
  panel.reference.values.forEach((value, index) => {
    if (value === null) return;
    const x = chart.valToPos(panel.seconds[index], "x", true);
    if (before === null) ctx.moveTo(x, chart.valToPos(value, "y", true));
    else if (value !== before) ctx.lineTo(x, chart.valToPos(before, "y", true));
    ctx.lineTo(x, chart.valToPos(value, "y", true));
    before = value;
  });
  ctx.stroke();
  ctx.setLineDash([]);
  if (before === null) return;
  const text = `${panel.reference.name} ${rupiah(before)}`;
  const y = chart.valToPos(before, "y", true) - 6 * ratio;
  ctx.font = `600 ${12 * ratio}px ${FONT}`;
  ctx.lineWidth = 4 * ratio;
  ctx.lineJoin = "round";
  ctx.textAlign = "left";
  ctx.strokeStyle = color("--card");
  ctx.strokeText(text, bbox.left + 8 * ratio, y);
  ctx.fillStyle = color("--ceiling");
  ctx.fillText(text, bbox.left + 8 * ratio, y);
}

/** A dotted upright on the first day of each provider. */
function drawSeams(chart: uPlot, panel: Panel): void {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.strokeStyle = color("--ink-2");
  ctx.lineWidth = devicePixelRatio;
  ctx.setLineDash([2 * devicePixelRatio, 4 * devicePixelRatio]);
  ctx.beginPath();
  for (const { seconds } of panel.seams) {
    const x = chart.valToPos(seconds, "x", true);
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
  }
  ctx.stroke();
  ctx.restore();
}

/** A circle, a diamond or a square by the size of the move; a ring is an anomaly. */
function drawDots(chart: uPlot, panel: Panel): void {
  const { ctx } = chart;
  const ratio = devicePixelRatio;
  for (const dot of panel.dots) {
    const [x, y] = [chart.valToPos(dot.seconds, "x", true), chart.valToPos(dot.value, "y", true)];
    const size = RADIUS[dot.kind] * ratio;
    ctx.beginPath();
    if (dot.kind === "medium") {
      ctx.moveTo(x, y - size);
      for (const [dx, dy] of [[size, 0], [0, size], [-size, 0]]) ctx.lineTo(x + dx, y + dy);
      ctx.closePath();
    } else if (dot.kind === "large") ctx.rect(x - size, y - size, 2 * size, 2 * size);
    else ctx.arc(x, y, size, 0, 2 * Math.PI);
    ctx.strokeStyle = color(dot.kind === "anomaly" ? "--grave" : "--card");
    ctx.lineWidth = (dot.kind === "anomaly" ? 2 : 1) * ratio;
    ctx.fillStyle = color(COLOR[dot.kind]);
    if (dot.kind !== "anomaly") ctx.fill();
    ctx.stroke();
  }
}

function optionsOf(box: HTMLElement, panel: Panel, show: (chart: uPlot) => void): uPlot.Options {
  const isNarrow = box.clientWidth < NARROW;
  const [soft, grid] = [color("--ink-2"), color("--grid")];
  const [from, to] = [panel.seconds[0], panel.seconds.at(-1)!];
  const first = panel.lines.length + 1;
  return {
    width: box.clientWidth,
    height: Math.max(240, box.clientHeight),
    pxAlign: 0,
    legend: { show: false },
    padding: [14, isNarrow ? 16 : END_LABELS, 0, 0],
    series: seriesOf(panel),
    bands: panel.bands.map((band, index) => ({ series: [first + 2 * index, first + 2 * index + 1], fill: color(band.kind === "wide" ? "--band-wide" : "--band") })),
    cursor: { y: false, points: { show: false }, drag: { x: true, y: false } },
    scales: { x: { time: true }, y: { range: ({ scales: { x } }) => priceRange(panel, x.min ?? from, x.max ?? to) } },
    tzDate: (seconds) => uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC"),
    axes: [
      { stroke: soft, font: `500 12px ${FONT}`, grid: { show: false }, ticks: { stroke: grid, size: 5 }, size: 34, splits: (chart, _, min, max) => dayTicks(min, max, Math.max(2, Math.floor(chart.bbox.width / devicePixelRatio / TICK_PX))), values: (_, ticks) => tickTexts(ticks) },
      { stroke: soft, font: `500 12px ${FONT}`, size: AXIS_PX, grid: { stroke: grid, width: 1 }, ticks: { show: false }, values: (_, values) => rupiahAxis(values) },
    ],
    hooks: {
      draw: [
        (chart) => {
          if (!isNarrow) drawEnds(chart, panel);
          const { left, top, width, height } = chart.bbox;
          chart.ctx.save();
          chart.ctx.beginPath();
          chart.ctx.rect(left, top, width, height);
          chart.ctx.clip();
          drawSeams(chart, panel);
          drawStrokes(chart, panel);
          drawReference(chart, panel);
          drawDots(chart, panel);
          chart.ctx.restore();
        },
      ],
      setCursor: [show],
    },
  };
}

interface ChartProps {
  panel: Panel;
  label: string;
  height?: number;
  /** The days between which the chart is drawn; null: all of them. */
  zoom?: Zoom | null;
  /** The reader drew another span. */
  onZoom?: (zoom: Zoom | null) => void;
}

export function TimeChart({ panel, label, height = 380, zoom = null, onZoom }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const tip = useRef<HTMLDivElement>(null);
  const spoken = useRef<HTMLParagraphElement>(null);
  const plot = useRef((_: Zoom | null) => {});
  const [shownTheme, shownLanguage] = [theme.value, lang.value];
  const [isNarrow, setNarrow] = useState(() => innerWidth < NARROW);
  useEffect(() => {
    const host = box.current!;
    const show = (chart: uPlot) => {
      const index = chart.cursor.idx;
      const element = tip.current!;
      element.hidden = index == null;
      if (index == null) return;
      const texts = readout(panel, index);
      element.replaceChildren(...texts.map((text, nth) => Object.assign(document.createElement(nth ? "span" : "b"), { textContent: text })));
      const at = AXIS_PX + chart.valToPos(panel.seconds[index], "x");
      const before = at - element.offsetWidth - TIP_GAP; // on the side with more room, so that it hides no line there
      const left = at > host.clientWidth / 2 ? Math.max(0, before) : Math.min(at + TIP_GAP, host.clientWidth - element.offsetWidth);
      element.style.transform = `translate(${Math.max(0, left)}px, 14px)`;
      if (document.activeElement === host) spoken.current!.textContent = texts.join(", ");
    };
    const chart = new uPlot(optionsOf(host, panel, show), dataOf(panel), host);
    const whole: Zoom = [panel.seconds[0], panel.seconds.at(-1)!];
    plot.current = (span) => chart.setScale("x", { min: (span ?? whole)[0], max: (span ?? whole)[1] });
    if (zoom) plot.current(zoom);
    chart.hooks.setSelect = [({ select, posToVal }) => select.width > 0 && onZoom?.([posToVal(select.left, "x"), posToVal(select.left + select.width, "x")])];
    chart.over.addEventListener("dblclick", () => onZoom?.(null));
    const size = new ResizeObserver(() => {
      setNarrow(host.clientWidth < NARROW); // without room for names at the line ends the chart is drawn again
      chart.setSize({ width: host.clientWidth, height: Math.max(240, host.clientHeight) });
    });
    size.observe(host);
    const onKey = (event: KeyboardEvent) => {
      const { min, max } = chart.scales.x; // of a zoomed chart only the days that it shows are walked
      const first = panel.seconds.findIndex((seconds) => seconds >= min!);
      const last = panel.seconds.findLastIndex((seconds) => seconds <= max!);
      const at = chart.cursor.idx ?? last;
      const step = event.shiftKey ? 10 : 1;
      const targets: Record<string, number> = { ArrowLeft: at - step, ArrowRight: at + step, Home: first, End: last };
      if (event.key === "Escape") {
        plot.current(null);
        onZoom?.(null);
      }
      const target = targets[event.key];
      if (target === undefined) return;
      event.preventDefault();
      const index = Math.max(first, Math.min(last, target));
      chart.setCursor({ left: chart.valToPos(panel.seconds[index], "x"), top: 20 });
    };
    host.addEventListener("keydown", onKey);
    return () => {
      host.removeEventListener("keydown", onKey);
      size.disconnect();
      chart.destroy();
    };
  }, [panel, shownTheme, shownLanguage, isNarrow]);
  useEffect(() => plot.current(zoom), [zoom?.[0], zoom?.[1]]); // by the address, also after "back"
  return (
    <div class="plot">
      <div ref={box} class="canvas" style={{ height: `${height}px` }} tabIndex={0} role="application" aria-roledescription={t("chart")} aria-label={`${label}. ${t("chart_keys")}`} />
      <div ref={tip} class="tip" hidden aria-hidden="true" />
      <p ref={spoken} class="hidden" aria-live="polite" />
    </div>
  );
}
