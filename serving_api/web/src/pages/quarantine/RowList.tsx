/** The waiting rows as one list box: a single tab stop, and of a long list only the rows in sight are drawn. */
import { useEffect, useRef, useState } from "preact/hooks";
import { whole } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { windowOf } from "./queue.ts";
import type { QuarantineRow } from "../../data/types.ts";
import { changeOf, placeOf, messageOf, ruleName, titleOf, valueOf } from "./words.ts";

const ROW_PX = 64;
const LOAD_AHEAD = 20;

interface Props {
  rows: QuarantineRow[];
  at: string | null;
  marked: ReadonlySet<string>;
  choose: (id: string) => void;
  mark: (id: string) => void;
  loadMore: () => void;
}
const optionId = (index: number) => `queue-row-${index}`;

export function RowList({ rows, at, marked, choose, mark, loadMore }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ top: 0, height: 640 });
  const index = rows.findIndex((row) => row.event_id === at);
  const measure = () => box.current && setView({ top: box.current.scrollTop, height: box.current.clientHeight });
  useEffect(() => {
    const size = new ResizeObserver(measure);
    size.observe(box.current!);
    return () => size.disconnect();
  }, []);
  useEffect(() => {
    const host = box.current;
    if (!host || index < 0) return;
    const [top, bottom] = [index * ROW_PX, (index + 1) * ROW_PX];
    if (top < host.scrollTop) host.scrollTop = top;
    else if (bottom > host.scrollTop + host.clientHeight) host.scrollTop = bottom - host.clientHeight;
    measure();
  }, [index]);
  const { first, last } = windowOf(rows.length, ROW_PX, view.top, view.height);
  useEffect(() => {
    if (last > rows.length - LOAD_AHEAD) loadMore();
  }, [last, rows.length]);
  return (
    <div
      ref={box}
      class="rows"
      role="listbox"
      tabIndex={0}
      aria-label={t("queue_list", { count: whole(rows.length) })}
      aria-multiselectable="true"
      aria-activedescendant={index >= first && index < last ? optionId(index) : undefined}
      onScroll={measure}
    >
      <div role="presentation" class="rows-inner" style={{ height: `${rows.length * ROW_PX}px` }}>
        {rows.slice(first, last).map((row, nth) => {
          const place = first + nth;
          const isMarked = marked.has(row.event_id);
          return (
            <div
              key={row.event_id}
              id={optionId(place)}
              role="option"
              class={`row ${place === index ? "on" : ""}`}
              style={{ top: `${place * ROW_PX}px` }}
              aria-selected={isMarked}
              aria-current={place === index ? "true" : undefined}
              aria-setsize={rows.length}
              aria-posinset={place + 1}
              onClick={(event) => (event.shiftKey ? mark(row.event_id) : choose(row.event_id))}
            >
              <b>
                {isMarked && <span aria-hidden="true">☑ </span>}
                {titleOf(row)}
              </b>
              <span class="num">{valueOf(row)}</span>
              <small>{placeOf(row)}</small>
              <small class="num">{changeOf(row) || ruleName(row.reasons[0].rule, messageOf(row.reasons[0]))}</small>
            </div>
          );
        })}
      </div>
    </div>
  );
}
