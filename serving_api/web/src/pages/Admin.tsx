/** For administrators: accounts with their rights, and the audit of who changed what. */
import { useEffect, useRef, useState } from "preact/hooks";
import { address, refreshShown, useFeed } from "../data/feed.ts";
import { useForm } from "../data/post.ts";
import { outcomeOf } from "../data/problem.ts";
import { ROLES, sendJson } from "../data/session.ts";
import type { RowOf } from "../data/types.ts";
import { moment } from "../i18n/format.ts";
import { t, textOr } from "../i18n/index.ts";
import { param, setParams } from "../router.ts";
import { column, derivedColumn, type Column } from "../ui/DataTable.tsx";
import { ProblemText } from "../ui/Panel.tsx";
import { TablePanel } from "../ui/TablePanel.tsx";
import { DateField, DialogButtons, Select, SelectField, useSupported } from "../ui/controls.tsx";
import { Several } from "./Notified.tsx";
import { shifted } from "./week.ts";

const USERS = "/api/v1/admin/users";
const AUDIT = "/api/v1/admin/audit";
const MOST_ACCOUNTS = 1000;
type User = RowOf<typeof USERS>;
type Changed = User & { link: string | null };
const roleOptions = () => ROLES.map((role): [string, string] => [role, t(`role_${role}`)]);

/** Role, provinces and state of an account; `done` gets what the change gave. */
function RightsDialog({ user, done, close }: { user: User; done: (changed: Changed) => void; close: () => void }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const regions = useSupported().body?.regions ?? [];
  const [chosen, setChosen] = useState(user.regions);
  useEffect(() => dialog.current?.showModal(), []);
  const { submit, problem, waits } = useForm(async (fields) => {
    const change = { role: fields.get("role"), regions: chosen, disabled: fields.has("disabled") };
    const { body, problem } = await outcomeOf<Changed>(sendJson(`${USERS}/${encodeURIComponent(user.user_id)}`, change, {}, "PATCH"));
    if (body) done(body);
    return problem;
  });
  return (
    <dialog ref={dialog} aria-labelledby="rights-title" onClose={close}>
      <h2 id="rights-title">{t("account_of", { email: user.email })}</h2>
      <form class="fields" onSubmit={submit}>
        <SelectField name="role" label={t("role")} options={roleOptions()} chosen={user.role} />
        <Several label="account_regions" entries={regions.map(({ code, name }) => ({ id: code, name }))} chosen={chosen} choose={setChosen} />
        <label class="tick">
          <input name="disabled" type="checkbox" defaultChecked={user.disabled} />
          {t("account_disable")}
        </label>
        <p class="note">{t("account_change_text")}</p>
        {problem && <ProblemText problem={problem} />}
        <DialogButtons text={t("save")} waits={waits} cancel={() => dialog.current?.close()} />
      </form>
    </dialog>
  );
}

function Users({ change }: { change: (user: User) => void }) {
  const regions = new Map(useSupported().body?.regions.map(({ code, name }) => [code, name]));
  const [email, setEmail] = useState("");
  const columns: Column<User>[] = [
    column("email", "email"),
    column("role", "role", (role) => t(`role_${role}`)),
    column("regions", "account_provinces", (codes) => codes.map((code) => regions.get(code) ?? code).join(", ") || t("all_provinces")),
    column("disabled", "state", (disabled) => <span class={disabled ? "grave" : undefined}>{t(disabled ? "account_disabled" : "account_active")}</span>),
    column("last_seen", "last_seen", (time) => (time ? moment(time) : t("never"))),
    column("user_id", "account_id"),
    derivedColumn("change", "steps", () => null, (user) => (
      <button class="ghost small" aria-label={t("account_of", { email: user.email })} onClick={() => change(user)}>
        {t("account_change")}
      </button>
    )),
  ];
  const find = (event: SubmitEvent) => {
    event.preventDefault();
    setEmail(String(new FormData(event.currentTarget as HTMLFormElement).get("email")));
  };
  return (
    <TablePanel title={t("accounts")} list={address(USERS, { role: param("peran"), email, limit: 100 })} needs="admin" columns={columns} keyOf={(user) => user.user_id} class="full" file="accounts" empty={t("accounts_none")} note={t("accounts_note")}
      tools={
        <form class="tools" onSubmit={find}>
          <Select label={t("role")} options={[["", t("all_roles")], ...roleOptions()]} value={param("peran") ?? ""} choose={(peran) => setParams({ peran: peran || null })} class="choice small" />
          <input class="ghost small" name="email" type="search" aria-label={t("account_find")} placeholder={t("email")} maxLength={254} />
          <button class="ghost small">{t("find")}</button>
        </form>
      }
    />
  );
}

const HASH_DIGITS = 12;

function Audit() {
  const accounts = useFeed(address(USERS, { limit: MOST_ACCOUNTS })).body?.items ?? [];
  const emails = new Map(accounts.map((user) => [user.user_id, user.email]));
  const nameOf = (id: string | null) => emails.get(id ?? "") ?? id ?? "–";
  const columns: Column<RowOf<typeof AUDIT>>[] = [
    column("action", "act"),
    column("at", "act_time", moment),
    column("actor", "actor", nameOf),
    column("object", "act_object", nameOf),
    column("outcome", "outcome", (outcome) => textOr(`outcome_${outcome}`, outcome)),
    column("hash", "hash", (hash) => `${hash.slice(0, HASH_DIGITS)}…`),
  ];
  const [from, to] = [param("dari"), param("sampai")];
  const choose = (event: SubmitEvent) => {
    event.preventDefault();
    const fields = new FormData(event.currentTarget as HTMLFormElement);
    setParams(Object.fromEntries([...fields].map(([name, value]) => [name, String(value).trim() || null])));
  };
  return (
    <TablePanel title={t("audit")} list={address(AUDIT, { actor: param("pelaku"), action: param("aksi"), from, to: to && shifted(to, 1), limit: 100 })} needs="admin" columns={columns} keyOf={(entry) => entry.hash} class="full" file="audit" empty={t("audit_none")} note={t("audit_note")}
      tools={
        <form class="tools" onSubmit={choose}>
          <input class="ghost small" name="pelaku" aria-label={t("actor")} placeholder={t("actor")} defaultValue={param("pelaku") ?? ""} maxLength={100} />
          <input class="ghost small" name="aksi" aria-label={t("act")} placeholder="user.change" defaultValue={param("aksi") ?? ""} maxLength={100} />
          <DateField label={t("first_day")} value={from ?? ""} choose={(dari) => setParams({ dari })} />
          <DateField label={t("last_day")} value={to ?? ""} choose={(sampai) => setParams({ sampai })} />
          <button class="ghost small">{t("find")}</button>
        </form>
      }
    />
  );
}

export function Admin() {
  const [user, setUser] = useState<User | null>(null);
  const [changed, setChanged] = useState<Changed | null>(null);
  const done = (body: Changed) => {
    setUser(null);
    setChanged(body);
    refreshShown("/api/v1/admin/");
  };
  return (
    <div class="grid">
      {changed && (
        <section class="card full" role="status">
          <p>{t("account_saved", { email: changed.email })}</p>
          {changed.link && <p>{t("account_link")}</p>}
          {changed.link && <pre tabIndex={0}>{changed.link}</pre>}
        </section>
      )}
      <Users change={setUser} />
      <Audit />
      {user && <RightsDialog user={user} done={done} close={() => setUser(null)} />}
    </div>
  );
}
