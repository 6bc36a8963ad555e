/** How the person wants to be notified, and where messages over Telegram and WhatsApp go. */
import { useEffect, useState } from "preact/hooks";
import { NO_NETWORK, problemOf } from "../data/problem.ts";
import { request } from "../data/session.ts";
import type { Problem } from "../data/types.ts";
import { t } from "../i18n/index.ts";
import { ProblemText } from "../ui/Panel.tsx";

const SETTINGS = "/api/v1/users/me/notification-settings";
const RECIPIENTS = "/api/v1/users/me/recipients";
const LEVELS = ["naik", "waspada", "siaga", "kritis"] as const;
const WAYS = ["email", "telegram", "whatsapp", "websocket"] as const;
const NAMED = ["telegram", "whatsapp"] as const;
type Way = (typeof NAMED)[number];
type Settings = Record<(typeof WAYS)[number], boolean> & { min_level: (typeof LEVELS)[number] };
interface Recipient {
  address: string;
  confirmed: boolean;
}
type Recipients = Record<Way, Recipient | null>;

/** What the address answers; `change`: what is sent there by PUT. */
async function answerOf<Body>(url: string, change?: object): Promise<{ body: Body | null; problem: Problem | null }> {
  const init = change ? { method: "PUT", headers: { "Content-Type": "application/json" }, body: JSON.stringify(change) } : {};
  const response = await request(url, init).catch(() => null);
  if (response?.ok) return { body: await response.json(), problem: null };
  return { body: null, problem: response ? await problemOf(response) : NO_NETWORK };
}

/** What the address holds, and how to change it; after a refusal the old choice stays. */
function useOwn<Body>(url: string) {
  const [own, setOwn] = useState<{ body: Body | null; problem: Problem | null }>({ body: null, problem: null });
  const take = async (change?: object) => {
    const { body, problem } = await answerOf<Body>(url, change);
    setOwn((before) => ({ body: body ?? before.body, problem }));
  };
  useEffect(() => void take(), [url]);
  return { ...own, change: (change: object) => void take(change) };
}

function Address({ way, known, change }: { way: Way; known: Recipient | null; change: (given: object) => void }) {
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

export function Notified() {
  const settings = useOwn<Settings>(SETTINGS);
  const recipients = useOwn<Recipients>(RECIPIENTS);
  const chosen = settings.body;
  const problem = settings.problem ?? recipients.problem;
  return (
    <section class="card narrow" aria-labelledby="notified">
      <h2 id="notified">{t("notified")}</h2>
      <p class="note">{t("notified_note")}</p>
      {chosen && (
        <div class="fields">
          {WAYS.map((way) => (
            <label key={way} class="tick">
              <input type="checkbox" checked={chosen[way]} onChange={(event) => settings.change({ ...chosen, [way]: event.currentTarget.checked })} />
              {t(`way_${way}`)}
            </label>
          ))}
          <label>
            {t("notified_level")}
            <select value={chosen.min_level} onChange={(event) => settings.change({ ...chosen, min_level: event.currentTarget.value })}>
              {LEVELS.map((level) => (
                <option key={level} value={level}>
                  {t(`level_${level}`)}
                </option>
              ))}
            </select>
          </label>
        </div>
      )}
      {recipients.body && NAMED.map((way) => <Address key={way} way={way} known={recipients.body![way]} change={recipients.change} />)}
      {problem && <ProblemText problem={problem} />}
    </section>
  );
}
