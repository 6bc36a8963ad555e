/** Figures and moments as text, in both languages. */
import assert from "node:assert/strict";
import { barTexts, change, day, dayIn, duration, figure, moment, monthOf, percent, rupiah, rupiahAxis, timeOfSeconds, whole } from "../../../serving_api/web/src/i18n/format.ts";
import { setLanguage } from "../../../serving_api/web/src/i18n/index.ts";

type Case = [text: () => string, indonesian: string, english: string];
const CASES: Case[] = [
  [() => rupiah(45500), "Rp 45.500", "Rp 45,500"],
  [() => rupiah(0), "Rp 0", "Rp 0"],
  [() => rupiah(-1234.4), "Rp −1.234", "Rp −1,234"],
  [() => rupiah(null), "–", "–"],
  [() => rupiahAxis([45_000, 50_000]).join(), "Rp 45 rb,Rp 50 rb", "Rp 45 k,Rp 50 k"],
  [() => rupiahAxis([40_000, 40_250]).join("; "), "Rp 40.000; Rp 40.250", "Rp 40,000; Rp 40,250"],
  [() => rupiahAxis([40_500, 41_000]).join("; "), "Rp 40,5 rb; Rp 41,0 rb", "Rp 40.5 k; Rp 41.0 k"],
  [() => rupiahAxis([0, 500]).join(), "Rp 0,Rp 500", "Rp 0,Rp 500"],
  [() => change(6.06), "+6,1 %", "+6.1 %"],
  [() => change(-6.06), "−6,1 %", "−6.1 %"],
  [() => change(0), "0,0 %", "0.0 %"],
  [() => change(-0.01), "0,0 %", "0.0 %"],
  [() => percent(95), "95,0 %", "95.0 %"],
  [() => percent(undefined), "–", "–"],
  [() => figure(0.456), "0,46", "0.46"],
  [() => figure(-0.456), "−0,46", "−0.46"],
  [() => figure(-0.001), "0", "0"],
  [() => figure(1234.5), "1.234,5", "1,234.5"],
  [() => whole(1e12), "1.000.000.000.000", "1,000,000,000,000"],
  [() => whole(5e-324), "0", "0"],
  [() => duration(45), "45 d", "45 s"],
  [() => duration(7200), "2 j", "2 h"],
  [() => duration(172800), "2 h", "2 d"],
  [() => moment("2026-11-20T23:30:00Z"), "21 Nov 2026, 06.30 WIB", "21 Nov 2026, 06:30 WIB"],
  [() => moment("2026-11-20T23:30:00Z", "Asia/Makassar"), "21 Nov 2026, 07.30 WITA", "21 Nov 2026, 07:30 WITA"],
  [() => moment("2026-11-20T23:30:00Z", "Asia/Jayapura"), "21 Nov 2026, 08.30 WIT", "21 Nov 2026, 08:30 WIT"],
  [() => moment("2026-11-20T23:30:00Z", "Asia/Pontianak"), "21 Nov 2026, 06.30 WIB", "21 Nov 2026, 06:30 WIB"],
  [() => moment("2026-11-20T23:30:00Z", "Mars/Olympus"), "21 Nov 2026, 06.30 WIB", "21 Nov 2026, 06:30 WIB"],
  [() => moment(null), "–", "–"],
  [() => barTexts(["2026-11-20T00:00:00Z", "2026-11-21T00:00:00Z"]).join(" | "), "20 Nov | 21 Nov", "20 Nov | 21 Nov"],
  [() => barTexts(["2026-11-20T16:58:00Z", "2026-11-20T17:03:00Z", "2026-11-20T17:08:00Z"]).join(" | "), "20 Nov 23.58 | 21 Nov 00.03 | 00.08", "20 Nov 23:58 | 21 Nov 00:03 | 00:08"],
  [() => monthOf("2026-05"), "Mei 26", "May 26"],
  [() => day("2023-11-20"), "20 Nov 2023", "20 Nov 2023"],
  [() => day(undefined), "–", "–"],
  [() => timeOfSeconds(Date.parse("2026-11-20T23:30:15Z") / 1000), "06.30.15", "06:30:15"],
  [() => dayIn("2026-11-20T15:30:00Z", "Asia/Jayapura"), "21 Nov 2026", "21 Nov 2026"],
];

for (const [language, nth] of [["id", 1], ["en", 2]] as const)
  Deno.test(`figures and moments are written as people write them: ${language}`, async () => {
    await setLanguage(language);
    for (const [nthCase, entry] of CASES.entries()) assert.equal(entry[0]().replaceAll("\u00a0", " "), entry[nth], `case ${nthCase}`);
  });
