/** Share a chart: its address, files of the same view, and the code that shows it in a page of another site. */
import { useRef, useState } from "preact/hooks";
import { lang, t } from "../i18n/index.ts";
import { params } from "../router.ts";
import { commodity } from "../ui/controls.tsx";

/** What the chart depends on; the names that /komoditas.csv, .json, .svg and .png take. */
const DRAWN = ["prov", "rentang", "per", "saat-itu", "bandingkan", "zoom"];
const FILES = ["csv", "json", "svg", "png"];
const EMBED_HEIGHT = 640;

/** The query of the chart as it is shown, in the language that is shown. */
export function chartQuery(): string {
  const query = new URLSearchParams({ komoditas: commodity() });
  for (const name of DRAWN) if (params.value.has(name)) query.set(name, params.value.get(name)!);
  if (lang.value !== "id") query.set("lang", lang.value);
  return query.toString();
}
export const chartPage = (): string => `${location.origin}/komoditas?${chartQuery()}`;

const attribute = (text: string) => text.replaceAll("&", "&amp;").replaceAll('"', "&quot;").replaceAll("<", "&lt;");
const embedCode = (title: string) => `<iframe src="${attribute(`${chartPage()}&embed=1`)}" title="${attribute(title)}" width="100%" height="${EMBED_HEIGHT}" style="border:0" loading="lazy"></iframe>`;

/** A text to be copied; where the browser does not allow it, it is selected. */
function Copied({ label, text }: { label: string; text: string }) {
  const field = useRef<HTMLInputElement>(null);
  const [isCopied, setCopied] = useState(false);
  const copy = () => {
    field.current!.select();
    navigator.clipboard?.writeText(text).then(() => setCopied(true), () => setCopied(false));
  };
  return (
    <div class="copied">
      <label>
        {label}
        <input ref={field} readOnly value={text} />
      </label>
      <button type="button" class="ghost" aria-label={`${t("copy")}: ${label}`} onClick={copy}>
        {t(isCopied ? "copy_done" : "copy")}
      </button>
      <span class="hidden" role="status">
        {isCopied && t("copy_done")}
      </span>
    </div>
  );
}

export function Share({ title }: { title: string }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [isOpen, setOpen] = useState(false);
  const open = () => {
    setOpen(true);
    dialog.current!.showModal();
  };
  return (
    <>
      <button class="ghost small noprint" aria-haspopup="dialog" onClick={open}>
        {t("share")}
      </button>
      <dialog ref={dialog} aria-label={`${t("share")}: ${title}`} onClose={() => setOpen(false)}>
        {isOpen && (
          <>
            <h2>
              {t("share")}: {title}
            </h2>
            <Copied label={t("share_link")} text={chartPage()} />
            <h3>{t("share_files")}</h3>
            <p class="buttons">
              {FILES.map((file) => (
                <a key={file} class="ghost" href={`/komoditas.${file}?${chartQuery()}`} download="">
                  {file.toUpperCase()}
                </a>
              ))}
            </p>
            <Copied label={t("share_embed")} text={embedCode(title)} />
            <p class="note">{t("share_embed_note")}</p>
          </>
        )}
        <form method="dialog" class="buttons">
          <button class="solid">{t("close")}</button>
        </form>
      </dialog>
    </>
  );
}
