/** The own account: who is signed in, another password, and the end of all sign-ins. */
import { useState } from "preact/hooks";
import { address, useFeed } from "../data/feed.ts";
import { useForm } from "../data/post.ts";
import { outcomeOf } from "../data/problem.ts";
import { changePassword, role, signOut } from "../data/session.ts";
import { t } from "../i18n/index.ts";
import { ProblemText } from "../ui/Panel.tsx";

export const LEAST_LENGTH = 15;

function NewPassword({ email }: { email: string }) {
  const [changed, setChanged] = useState(false);
  const { submit, problem, waits } = useForm(async (fields, form) => {
    setChanged(false);
    const { problem } = await outcomeOf(changePassword(email, String(fields.get("current")), String(fields.get("next"))));
    if (problem) return problem;
    form.reset();
    setChanged(true);
    return null;
  });
  return (
    <details>
      <summary>{t("password_change")}</summary>
      <p class="note">{t("password_change_text")}</p>
      <form class="fields" onSubmit={submit}>
        <input type="email" autoComplete="username" value={email} readOnly hidden />
        <label>
          {t("password_current")}
          <input name="current" type="password" autoComplete="current-password" maxLength={1024} required />
        </label>
        <label>
          {t("new_password")}
          <input name="next" type="password" autoComplete="new-password" minLength={LEAST_LENGTH} maxLength={1024} required />
        </label>
        {problem && <ProblemText problem={problem} />}
        {changed && <p role="status">{t("password_changed")}</p>}
        <button class="solid" disabled={waits}>
          {t("password_change")}
        </button>
      </form>
    </details>
  );
}

export function Account() {
  const email = useFeed(address("/api/v1/users/me")).body?.email;
  return (
    <section class="card narrow" aria-labelledby="account">
      <h2 id="account">{t("account")}</h2>
      <p role="status">
        {email && <b>{email}</b>} {t("signed_in_as", { role: t(`role_${role.value!}`) })}
      </p>
      {email && <NewPassword email={email} />}
      <p>
        <button class="ghost" onClick={() => void signOut(true)}>
          {t("sign_out_everywhere")}
        </button>
      </p>
    </section>
  );
}
