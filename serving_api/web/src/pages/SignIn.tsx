/** Sign in by e-mail address and password, or by a one-time link, which sets the password; and the own account. */
import { signal } from "@preact/signals";
import { useForm } from "../data/post.ts";
import { outcomeOf } from "../data/problem.ts";
import { followLink, role, signIn } from "../data/session.ts";
import { t } from "../i18n/index.ts";
import { goTo, param, path } from "../router.ts";
import { ProblemText } from "../ui/Panel.tsx";
import { Account, LEAST_LENGTH } from "./Account.tsx";
import { Notified } from "./Notified.tsx";

const MAIN = "#main";
/** The secret of a link follows the # of the address: it is taken out of it at once. */
const link = signal("");
function takeLink(): void {
  if (path.value !== "/masuk" || location.hash.length < 2 || location.hash === MAIN) return;
  link.value = location.hash.slice(1);
  history.replaceState(null, "", location.pathname + location.search);
}
takeLink();
addEventListener("hashchange", takeLink);

/** Where the person came from, if it is a page of ours. */
function origin(): string {
  const wanted = param("kembali") ?? "/";
  const given = new URL(URL.canParse(wanted, location.origin) ? wanted : "/", location.origin);
  return given.origin === location.origin && given.pathname !== "/masuk" ? given.pathname + given.search : "/";
}

export function SignIn() {
  const byLink = link.value !== "";
  const { submit, problem, waits } = useForm(async (fields) => {
    const password = String(fields.get("password"));
    const { problem } = await outcomeOf(byLink ? followLink(link.value, password) : signIn(String(fields.get("email")), password));
    if (problem) return problem;
    link.value = "";
    goTo(origin());
    return null;
  });
  return (
    <>
      {role.value && !byLink && (
        <>
          <Account key={role.value} />
          <Notified key={role.value} />
        </>
      )}
      <section class="card narrow" aria-labelledby="sign-in">
        <h2 id="sign-in">{t(byLink ? "sign_in_link" : role.value ? "sign_in_other" : "sign_in_title")}</h2>
        <p class="note">{t(byLink ? "sign_in_link_text" : "sign_in_text")}</p>
        <form class="fields" onSubmit={submit}>
          {!byLink && (
            <label>
              {t("email")}
              <input name="email" type="email" autoComplete="username" maxLength={254} required />
            </label>
          )}
          <label>
            {t(byLink ? "new_password" : "password")}
            <input key={String(byLink)} name="password" type="password" autoComplete={byLink ? "new-password" : "current-password"} minLength={byLink ? LEAST_LENGTH : 1} maxLength={1024} required />
          </label>
          {problem && <ProblemText problem={problem} />}
          <button class="solid" disabled={waits}>
            {t("sign_in")}
          </button>
        </form>
      </section>
    </>
  );
}
