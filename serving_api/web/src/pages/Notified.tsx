/** How the person wants to be notified, and where messages over Telegram and WhatsApp go. */
import { useEffect, useRef, useState } from "preact/hooks";
import { address, refreshShown, useFeed } from "../data/feed.ts";
import { outcomeOf, type Outcome } from "../data/problem.ts";
import { request } from "../data/session.ts";
import type { AnswerOf } from "../data/types.ts";
import { whole } from "../i18n/format.ts";
import { type Key, t } from "../i18n/index.ts";
import { useSupported } from "../ui/controls.tsx";
import { ProblemText } from "../ui/Panel.tsx";

const SETTINGS = "/api/v1/users/me/notification-settings";
const PREVIEW = "/api/v1/users/me/notification-settings/preview";
const PREVIEW_MS = 300_000;
const RECIPIENTS = "/api/v1/users/me/recipients";
const LEVELS = ["naik", "waspada", "siaga", "kritis"] as const;
const WAYS = ["email", "telegram", "whatsapp", "websocket"] as const;
const NAMED = ["telegram", "whatsapp"] as const;
type Way = (typeof NAMED)[number];
const DIGESTS = ["none", "daily", "weekly"] as const;
type Settings = AnswerOf<typeof SETTINGS>;
type Recipients = AnswerOf<typeof RECIPIENTS>;
type Recipient = Recipients[Way];

/** What the address answers; `change`: what is sent there by PUT. */
function answerOf<Body>(url: string, change?: object): Promise<Outcome<Body>> {
  const init = change ? { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(change) } : {};
  return outcomeOf(request(url, init));
}

/**
 * What the address holds, and how to change it. `shown`: what it will hold, seen at once; after a refusal the old
 * choice is back. Changes are sent one after the other, so that the last one holds. `changed`: called after each.
 */
function useOwn<Body>(url: string, changed?: () => void) {
  const [own, setOwn] = useState<Outcome<Body>>({ body: null, problem: null });
  const stored = useRef<Body | null>(null);
  const queue = useRef({ last: Promise.resolve(), waiting: 0 });
  const take = async (change?: object) => {
    const { body, problem } = await answerOf<Body>(url, change);
    stored.current = body ?? stored.current;
    queue.current.waiting -= 1;
    if (queue.current.waiting === 0) setOwn({ body: stored.current, problem });
    if (change) changed?.();
  };
  const change = (given?: object, shown?: Body) => {
    if (shown) setOwn((before) => ({ ...before, body: shown }));
    queue.current.waiting += 1;
    queue.current.last = queue.current.last.then(() => take(given));
  };
  useEffect(() => change(), [url]);
  return { ...own, change };
}

function Address({ way, known, change }: { way: Way; known: Recipient; change: (given: object) => void }) {
  const send = (event: SubmitEvent) => {
    event.preventDefault();
    const given = new FormData(event.currentTarget as HTMLFormElement);
    const code = given.get("code");
    change({ channel: way, address: given.get("address") ?? known?.address, ...(code ? { code } : {}) });
  };
  return (
    <fieldset>
      <legend>{t(`way_${way}`)}</legend>
      <form class="fields row" onSubmit={send}>
        <label>
          {t(`recipient_${way}`)}
          <input name="address" key={known?.address} defaultValue={known?.address} inputMode="numeric" pattern="[1-9][0-9]{4,19}" required />
        </label>
        <button class="ghost">{t("recipient_send")}</button>
        {known && (
          <button type="button" class="ghost" onClick={() => change({ channel: way, address: null })}>
            {t("recipient_remove")}
          </button>
        )}
      </form>
      {known && !known.confirmed && (
        <form class="fields row" onSubmit={send}>
          <label>
            {t("recipient_code")}
            <input name="code" inputMode="numeric" pattern="[0-9]{6}" autoComplete="one-time-code" required />
          </label>
          <button class="solid">{t("recipient_confirm")}</button>
        </form>
      )}
      {known && <p role="status">{t(known.confirmed ? "recipient_confirmed" : "recipient_waiting")}</p>}
    </fieldset>
  );
}

interface Entry {
  id: string;
  name: string;
}
/** A choice of several; none stands for all. */
export function Several(props: { label: "notified_commodities" | "notified_regions" | "account_regions"; entries: Entry[]; chosen: string[]; choose: (ids: string[]) => void }) {
  const { entries, chosen } = props;
  const names = entries.filter((entry) => chosen.includes(entry.id)).map((entry) => entry.name);
  const toggle = (id: string) => props.choose(chosen.includes(id) ? chosen.filter((each) => each !== id) : [...chosen, id]);
  const label = t(props.label, { chosen: names.join(", ") || t("notified_all") });
  return (
    <details>
      <summary>{label}</summary>
      <div class="several" role="group" aria-label={label}>
        {entries.map(({ id, name }) => (
          <label key={id} class="tick">
            <input type="checkbox" checked={chosen.includes(id)} onChange={() => toggle(id)} />
            {name}
          </label>
        ))}
      </div>
    </details>
  );
}

interface ChoiceProps<Value extends string> {
  label: Key;
  values: readonly Value[];
  text: (value: Value) => string;
  chosen: Value;
  choose: (value: Value) => void;
}
function Choice<Value extends string>({ label, values, text, chosen, choose }: ChoiceProps<Value>) {
  return (
    <label>
      {t(label)}
      <select value={chosen} onChange={(event) => choose(event.currentTarget.value as Value)}>
        {values.map((value) => (
          <option key={value} value={value}>
            {text(value)}
          </option>
        ))}
      </select>
    </label>
  );
}

export function Notified() {
  const settings = useOwn<Settings>(SETTINGS, () => refreshShown(PREVIEW));
  const preview = useFeed(address(PREVIEW), PREVIEW_MS).body;
  const recipients = useOwn<Recipients>(RECIPIENTS);
  const supported = useSupported().body;
  const chosen = settings.body;
  /** Addresses are changed by themselves below: the newest ones are sent along. */
  const addresses = (known: Recipients) => ({ telegram_chat: known.telegram?.address ?? null, whatsapp_number: known.whatsapp?.address ?? null });
  const choose = (change: Partial<Settings>) => {
    const next = { ...chosen!, ...(recipients.body && addresses(recipients.body)), ...change };
    settings.change(next, next);
  };
  const problem = settings.problem ?? recipients.problem;
  return (
    <section class="card narrow" aria-labelledby="notified">
      <h2 id="notified">{t("notified")}</h2>
      <p class="note">{t("notified_note")}</p>
      {chosen && (
        <div class="fields">
          {WAYS.map((way) => (
            <label key={way} class="tick">
              <input type="checkbox" checked={chosen[way]} onChange={(event) => choose({ [way]: event.currentTarget.checked })} />
              {t(`way_${way}`)}
            </label>
          ))}
          <label class="tick">
            <input type="checkbox" checked={chosen.weekly_sheet} onChange={(event) => choose({ weekly_sheet: event.currentTarget.checked })} />
            {t("weekly_sheet")}
          </label>
          <Choice label="digest" values={DIGESTS} text={(digest) => t(`digest_${digest}`)} chosen={chosen.digest} choose={(digest) => choose({ digest })} />
          <Choice label="notified_level" values={LEVELS} text={(level) => t(`level_${level}`)} chosen={chosen.min_level} choose={(min_level) => choose({ min_level })} />
          {supported && (
            <>
              <Several
                label="notified_commodities"
                entries={supported.commodities.map(({ commodity, name }) => ({ id: commodity, name }))}
                chosen={chosen.commodities}
                choose={(commodities) => choose({ commodities })}
              />
              <Several
                label="notified_regions"
                entries={supported.regions.map(({ code, name }) => ({ id: code, name }))}
                chosen={chosen.regions}
                choose={(regions) => choose({ regions })}
              />
            </>
          )}
          {preview && <p role="status">{t("notified_preview", { count: whole(preview.alerts), days: whole(preview.days) })}</p>}
        </div>
      )}
      {recipients.body && NAMED.map((way) => <Address key={way} way={way} known={recipients.body![way]} change={recipients.change} />)}
      {problem && <ProblemText problem={problem} />}
    </section>
  );
}
