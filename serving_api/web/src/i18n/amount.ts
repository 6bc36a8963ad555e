/** Amounts as people type them: 45.500, 45,500, Rp 45500 and 45500 are the same. */
const GROUPED = /^[1-9]\d{0,2}([.,])\d{3}(\1\d{3})*$/;
const PLAIN = /^\d+([.,]\d+)?$/;

/** The number, or null when the text is none. */
export function amountOf(text: string): number | null {
  const bare = text.replace(/^rp\.?/i, "").replace(/[\s\u00a0]/g, "");
  if (GROUPED.test(bare)) return Number(bare.replace(/[.,]/g, ""));
  return PLAIN.test(bare) ? Number(bare.replace(",", ".")) : null;
}

/** Numbers as people list them: `1,5; 2` and `1.5, 2` are the same two; what is none is left out. */
export const numbersOf = (text: string): number[] =>
  text
    .split(/;|,\s|\s/)
    .filter(Boolean)
    .map((part) => Number(part.replace(",", ".")))
    .filter((value) => !Number.isNaN(value));
