/** The review queue: why rows wait, the list, the row; decided by keyboard, sent after eight seconds. */
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { address, useFeed } from "../data/feed.ts";
import { useSteadyList } from "../data/list.ts";
import { duration, whole } from "../i18n/format.ts";
import { t } from "../i18n/index.ts";
import { param, setParams } from "../router.ts";
import { Panel } from "../ui/Panel.tsx";
import { BulkDialog, HelpDialog } from "./quarantine/dialogs.tsx";
import { DecisionForm, REASONS } from "./quarantine/DecisionForm.tsx";
import { useHold } from "./quarantine/hold.ts";
import { commandOf, isComplete, moved, nextAfter, NO_DRAFT, toggled, withRule, type Command, type Draft } from "./quarantine/queue.ts";
import { RowDetail } from "./quarantine/RowDetail.tsx";
import { RowList } from "./quarantine/RowList.tsx";
import { away, put, undo } from "./quarantine/tray.ts";
import { TrayView } from "./quarantine/TrayView.tsx";
import type { Address, QuarantineItem, QuarantineRow } from "../data/types.ts";
import { ruleName } from "./quarantine/words.ts";

const PAGE_ROWS = 100;
const ITEM_MS = 60_000;
const FIELD = "input, select, textarea";
const itemUrl = (id: string | null) => id === null ? null : (address("/api/v1/quarantine/{event_id}", { event_id: id }) as Address<QuarantineItem>);
const listUrl = () => address("/api/v1/quarantine", { state: "open", from: "2000-01-01", rule: param("aturan"), market_id: param("pasar"), limit: PAGE_ROWS });

/** Why rows wait: a rule narrows the list. */
function Why() {
  const feed = useFeed(address("/api/v1/quarantine/summary"));
  const choice = (name: "aturan" | "pasar", value: string, text: string, open: number, more: string) => (
    <li key={value}>
      <button aria-pressed={param(name) === value} onClick={() => setParams({ [name]: param(name) === value ? null : value, pilih: null })}>
        <span>
          {text}
          {more && <small class="dim"> {more}</small>}
        </span>
        <b class="num">{whole(open)}</b>
      </button>
    </li>
  );
  const age = (oldest: string) => t("oldest", { age: duration((Date.now() - Date.parse(oldest)) / 1000) });
  return (
    <Panel title={t("why_held")} feed={feed} class="why" needs="operator" isEmpty={(body) => body.open === 0} empty={t("queue_empty")}>
      {(body) => (
        <>
          <ul class="filters">{body.by_rule.map((entry) => choice("aturan", entry.rule, ruleName(entry.rule, entry.sentence), entry.open, age(entry.oldest)))}</ul>
          <h3>{t("markets")}</h3>
          <ul class="filters">{body.by_market.slice(0, 8).map((entry) => choice("pasar", entry.market_id, entry.market_name ?? entry.market_id, entry.open, ""))}</ul>
          {body.median_hours !== null && <p class="note">{t("queue_median", { time: duration(body.median_hours * 3600) })}</p>}
        </>
      )}
    </Panel>
  );
}

function unique(rows: QuarantineRow[]): QuarantineRow[] {
  const seen = new Set<string>();
  return rows.filter((row) => !away.value.has(row.event_id) && !seen.has(row.event_id) && seen.add(row.event_id));
}

export function Quarantine() {
  const list = useSteadyList(listUrl(), (row) => `${row.event_id}|${row.generation}`);
  const rows = useMemo(() => unique(list.items ?? []), [list.items, away.value]);
  const ids = rows.map((row) => row.event_id);
  const [marked, setMarked] = useState<ReadonlySet<string>>(new Set());
  const [begun, setBegun] = useState<{ id: string | null; draft: Draft }>({ id: null, draft: NO_DRAFT });
  const [dialog, setDialog] = useState<"help" | "bulk" | null>(null);
  const frame = useRef<HTMLDivElement>(null);
  const field = useRef<HTMLInputElement>(null);
  const at = param("pilih") ?? ids[0] ?? null;
  const draft = begun.id === at ? begun.draft : NO_DRAFT; // a decision never moves to another row
  const setDraft = (next: Draft) => setBegun({ id: at, draft: next });
  const feed = useFeed(itemUrl(at), ITEM_MS);
  useFeed(itemUrl(moved(ids, at, 1)), ITEM_MS); // the next row is there at once
  const held = useHold(feed.body?.state === "open" ? at : null);
  const chosen = marked.size ? rows.filter((row) => marked.has(row.event_id)) : rows.filter((row) => row.event_id === at);

  const open = (id: string | null) => {
    setParams({ pilih: id }, false);
  };
  const focusList = () => frame.current?.querySelector<HTMLElement>("[role=listbox]")?.focus();
  const ready = rows.length > 0;
  useEffect(() => {
    if (ready && !param("pilih")) setParams({ pilih: ids[0] }, false); // it stays when others arrive above it
  }, [ready, param("pilih")]);
  useEffect(() => {
    if (ready && document.activeElement === document.body) focusList();
  }, [ready]);

  /** Put a complete decision into the tray; of one that is not, ask for what is missing. */
  const commit = (next: Draft) => {
    if (next.verdict === "correct" && !next.correction) return void requestAnimationFrame(() => field.current?.focus());
    if (!isComplete(next) || !chosen.length) return focusList();
    if (chosen.length > 1) return setDialog("bulk");
    leave(chosen, next);
  };
  const leave = (leaving: QuarantineRow[], complete: Draft) => {
    put(leaving, complete);
    const next = nextAfter(ids, new Set(leaving.map((row) => row.event_id)), at);
    setMarked(new Set());
    setDraft(NO_DRAFT);
    setDialog(null);
    setParams({ pilih: next }, false);
    focusList();
  };
  const edit = (next: Draft, completes = false) => {
    setDraft(next);
    if (completes) commit(next);
  };
  const back = (returned: string[]) => {
    if (returned.length) open(returned[0]);
    focusList();
  };
  const closed = () => {
    setDialog(null);
    if (document.activeElement === document.body || document.activeElement?.closest("dialog")) focusList();
  };
  const markRule = () => {
    const row = rows.find((candidate) => candidate.event_id === at);
    if (row) setMarked(withRule(rows, new Set([row.reasons[0].rule]), marked));
  };
  const choose = (command: Extract<Command, { act: "choose" }>) => {
    const item = feed.body;
    if (item?.state !== "open" || (marked.size > 1 && command.verdict === "correct")) return;
    if (!command.suggested) return edit({ ...draft, verdict: command.verdict, correction: null }, true);
    if (item.suggestion) edit({ ...draft, verdict: "correct", correction: item.suggestion }, true);
  };
  const run = (command: Command) => {
    if (command.act === "move") open(moved(ids, at, command.by));
    else if (command.act === "end") open((command.to === "first" ? ids[0] : ids.at(-1)) ?? null);
    else if (command.act === "choose") choose(command);
    else if (command.act === "reason") command.nth <= REASONS.length && edit({ ...draft, reason: t(REASONS[command.nth - 1]) }, draft.verdict !== null);
    else if (command.act === "send") commit(draft);
    else if (command.act === "mark") at && setMarked(toggled(marked, at));
    else if (command.act === "mark_rule") markRule();
    else if (command.act === "filter") frame.current?.querySelector<HTMLElement>(".filters button")?.focus();
    else if (command.act === "help") setDialog("help");
    else back(undo());
  };
  const onKey = (event: KeyboardEvent) => {
    if (frame.current?.querySelector("dialog[open]")) return; // `dialog` changes a moment after Escape has closed it
    const command = commandOf(event, (event.target as Element).matches(FIELD));
    if (!command) return;
    event.preventDefault();
    run(command);
  };
  return (
    <div ref={frame} class="queue" tabIndex={-1} onKeyDown={onKey}>
      <p class="note bar noprint">
        <span>{t("queue_keys")}</span>
        <button class="ghost small" aria-keyshortcuts="?" onClick={() => setDialog("help")}>
          <kbd>?</kbd> {t("keys")}
        </button>
      </p>
      <div class="queue-grid">
        <Why />
        <Panel
          title={t("queue_waiting", { count: `${whole(rows.length)}${list.hasMore ? "+" : ""}` })}
          feed={list.feed}
          class="list"
          needs="operator"
          tools={
            <>
              {marked.size > 0 && (
                <button class="chip" onClick={() => setMarked(new Set())}>
                  {t("marked", { count: whole(marked.size) })} ✕
                </button>
              )}
              {list.arrived > 0 && (
                <button class="chip" onClick={list.showNew}>
                  {t("new_rows", { count: whole(list.arrived) })}
                </button>
              )}
            </>
          }
          isEmpty={() => list.items !== null && rows.length === 0}
          empty={t(param("aturan") || param("pasar") ? "queue_empty_filter" : "queue_empty")}
        >
          {() => <RowList rows={rows} at={at} marked={marked} choose={open} mark={(id) => setMarked(toggled(marked, id))} loadMore={list.loadMore} />}
        </Panel>
        {at && <RowDetail feed={feed} held={held} form={(item) => <DecisionForm item={item} draft={draft} count={chosen.length} change={edit} send={() => commit(draft)} field={field} />} />}
      </div>
      <TrayView back={back} />
      <HelpDialog isOpen={dialog === "help"} close={closed} />
      <BulkDialog isOpen={dialog === "bulk"} count={chosen.length} draft={draft} close={closed} send={() => leave(chosen, draft)} />
    </div>
  );
}
