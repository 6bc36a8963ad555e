/** Dialogs of the queue: its keys, and the number of rows typed before many are decided at once. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { amountOf } from "../../i18n/amount.ts";
import { whole } from "../../i18n/format.ts";
import { t, type Key } from "../../i18n/index.ts";
import type { Draft } from "./queue.ts";

const KEYS: [string[], Key][] = [
  [["↓", "J"], "key_down"],
  [["↑", "K"], "key_up"],
  [["A"], "verdict_release"],
  [["E"], "verdict_correct"],
  [["U"], "use_suggestion"],
  [["T"], "verdict_reject"],
  [["1", "…", "5"], "key_reason"],
  [["Ctrl", "Enter"], "key_send"],
  [["Z"], "key_undo"],
  [["X"], "key_mark"],
  [["Shift", "X"], "key_mark_rule"],
  [["F"], "key_filter"],
  [["?"], "key_help"],
];

function useModal(isOpen: boolean) {
  const dialog = useRef<HTMLDialogElement>(null);
  useLayoutEffect(() => {
    if (isOpen && !dialog.current?.open) dialog.current?.showModal();
    if (!isOpen) dialog.current?.close();
  }, [isOpen]);
  return dialog;
}

export function HelpDialog({ isOpen, close }: { isOpen: boolean; close: () => void }) {
  const dialog = useModal(isOpen);
  return (
    <dialog ref={dialog} aria-label={t("keys")} onClose={close}>
      <h2>{t("keys")}</h2>
      <p class="note">{t("keys_text")}</p>
      <dl class="facts">
        {KEYS.map(([keys, text]) => [
          <dt key={text}>
            {keys.map((key) => (
              <kbd key={key}>{key}</kbd>
            ))}
          </dt>,
          <dd key={`${text}-text`}>{t(text)}</dd>,
        ])}
      </dl>
      <form method="dialog">
        <button class="solid">{t("close")}</button>
      </form>
    </dialog>
  );
}

interface BulkProps {
  isOpen: boolean;
  count: number;
  draft: Draft;
  close: () => void;
  send: () => void;
}
export function BulkDialog({ isOpen, count, draft, close, send }: BulkProps) {
  const dialog = useModal(isOpen);
  const [text, setText] = useState("");
  useEffect(() => setText(""), [isOpen]);
  const fits = amountOf(text) === count;
  return (
    <dialog ref={dialog} aria-label={t("send_many", { count: whole(count) })} onClose={close}>
      <h2>{t("send_many", { count: whole(count) })}</h2>
      <p>{t("bulk_text", { verdict: draft.verdict ? t(`verdict_${draft.verdict}`) : "", count: whole(count), reason: draft.reason })}</p>
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          if (fits) send();
        }}
      >
        <label>
          {t("bulk_number", { count: whole(count) })}
          <input value={text} inputMode="numeric" autoComplete="off" onInput={(event) => setText(event.currentTarget.value)} />
        </label>
        <div class="choices">
          <button class="solid" disabled={!fits}>
            {t("send_many", { count: whole(count) })}
          </button>
          <button type="button" class="ghost" onClick={close}>
            {t("cancel")}
          </button>
        </div>
      </form>
    </dialog>
  );
}
