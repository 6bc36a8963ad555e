/** The decision on a row: what, why, and for a correction the right value. */
import type { RefObject } from "preact";
import { useState } from "preact/hooks";
import { amountOf } from "../../i18n/amount.ts";
import { figure, rupiah } from "../../i18n/format.ts";
import { t } from "../../i18n/index.ts";
import { isComplete, MOST_REASON, type Draft, type Verdict } from "./queue.ts";
import type { QuarantineItem } from "../../data/types.ts";

export const REASONS = ["reason_1", "reason_2", "reason_3", "reason_4", "reason_5", "reason_6", "reason_7", "reason_8", "reason_9"] as const;
const NOT_CORRECTABLE = new Set(["event_id", "kind"]);
const MAIN_FIELDS = ["price", "quantity_kg", "Price", "value", "close", "temperature_c"];
const CHOICES: [Verdict, string][] = [
  ["release", "A"],
  ["correct", "E"],
  ["reject", "T"],
];

interface Props {
  item: QuarantineItem;
  draft: Draft;
  count: number;
  /** `asks`: go to what is missing. */
  change: (draft: Draft, asks?: boolean) => void;
  send: () => void;
  field: RefObject<HTMLInputElement | null>;
}

function fieldsOf(item: QuarantineItem): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(item.payload ?? "null");
    return body !== null && typeof body === "object" && !Array.isArray(body) ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}
const shownValue = (name: string, value: unknown): string => (typeof value !== "number" ? String(value) : name === "price" ? rupiah(value) : figure(value));

function Correction({ item, draft, change, field }: Omit<Props, "count" | "send">) {
  const given = fieldsOf(item);
  const names = Object.keys(given).filter((name) => !NOT_CORRECTABLE.has(name));
  if (item.kind === "price" && !names.includes("price")) names.unshift("price");
  const first = Object.keys(draft.correction ?? {})[0];
  const [name, setName] = useState(first ?? MAIN_FIELDS.find((main) => names.includes(main)) ?? names[0] ?? "");
  const [text, setText] = useState(first ? String(draft.correction![first]) : "");
  const isNumber = MAIN_FIELDS.includes(name) || typeof given[name] === "number";
  const read = (given: string) => (isNumber ? amountOf(given) : given.trim() || null);
  const value = read(text);
  // At once: a key that follows must find the value that was typed.
  const type = (given: string) => {
    setText(given);
    const next = read(given);
    change({ ...draft, correction: next === null || !name ? null : { [name]: next } });
  };
  return (
    <div class="correction">
      <label>
        {t("correct_field")}
        <select value={name} onChange={(event) => (setName(event.currentTarget.value), setText(""), change({ ...draft, correction: null }))}>
          {names.map((option) => (
            <option key={option} value={option}>
              {option}
            </option>
          ))}
        </select>
      </label>
      <label>
        {t("correct_value")}
        <input ref={field} value={text} inputMode={isNumber ? "decimal" : "text"} autoComplete="off" onInput={(event) => type(event.currentTarget.value)} />
      </label>
      <output>{value === null ? t(text ? "correct_unread" : "correct_empty") : `${shownValue(name, given[name] ?? "–")} → ${shownValue(name, value)}`}</output>
    </div>
  );
}

export function DecisionForm({ item, draft, count, change, send, field }: Props) {
  const suggestion = item.suggestion;
  return (
    <form
      class="decision noprint"
      aria-label={t("decide")}
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <div class="choices" role="group" aria-label={t("decide")}>
        {CHOICES.map(([verdict, key]) => (
          <button key={verdict} type="button" class={`ghost ${verdict}`} disabled={count > 1 && verdict === "correct"} aria-pressed={draft.verdict === verdict} aria-keyshortcuts={key} onClick={() => change({ ...draft, verdict, correction: null }, verdict === "correct")}>
            <kbd>{key}</kbd> {t(`verdict_${verdict}`)}
          </button>
        ))}
        {suggestion && count === 1 && (
          <button type="button" class="ghost" aria-keyshortcuts="U" aria-pressed={draft.correction === suggestion} onClick={() => change({ ...draft, verdict: "correct", correction: suggestion })}>
            <kbd>U</kbd> {t("use_suggestion")} {Object.entries(suggestion).map(([name, value]) => shownValue(name, value)).join(", ")}
          </button>
        )}
      </div>
      {draft.verdict === "correct" && count === 1 && (!suggestion || draft.correction !== suggestion) && <Correction key={item.event_id} item={item} draft={draft} change={change} field={field} />}
      <div class="choices" role="group" aria-label={t("reasons")}>
        {REASONS.map((key, nth) => (
          <button key={key} type="button" class="chip" aria-pressed={draft.reason === t(key)} aria-keyshortcuts={String(nth + 1)} onClick={() => change({ ...draft, reason: t(key) })}>
            <kbd>{nth + 1}</kbd> {t(key)}
          </button>
        ))}
      </div>
      <label class="reason">
        {t("reason_own")}
        <textarea rows={2} maxLength={MOST_REASON} value={draft.reason} onInput={(event) => change({ ...draft, reason: event.currentTarget.value })} />
      </label>
      <button class="solid" aria-disabled={!isComplete(draft)} aria-keyshortcuts="Control+Enter">
        {count > 1 ? t("send_many", { count }) : t("send_one")} <kbd>Ctrl</kbd> <kbd>Enter</kbd>
      </button>
    </form>
  );
}
