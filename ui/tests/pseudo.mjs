// A language that nobody speaks, made from English: accented, about 40 % longer, in brackets. What stands on a page
// without brackets is no text of the language files; what does not fit, fits in no longer language either.

const PLAIN = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
const ACCENTED = [..."åƀçđéƒğĥîĵķłɱñöþɋŕšŧûṽŵẋýžÅƁÇĐÉƑĞĤÎĴĶŁṀÑÖÞɊŔŠŦÛṼŴẊÝŽ"];
const MORE = " one two three four five six seven eight nine ten eleven twelve";

export const LANGUAGE = "en-XA";
export const OPENS = "⟦";
export const CLOSES = "⟧";

const accented = (text) => [...text].map((it) => ACCENTED[PLAIN.indexOf(it)] ?? it).join("");

/** A pattern, but for its placeables. */
function longer(pattern) {
  const parts = pattern.split(/(\{[^}]*\})/).map((part) => (part.startsWith("{") ? part : accented(part)));
  const end = MORE.repeat(9).slice(0, Math.ceil(pattern.length * 0.4)).trimEnd();
  return `${OPENS}${parts.join("")}${accented(end)}${CLOSES}`;
}

/** The messages (FTL) of English, in that language. */
export function pseudo(messages) {
  const line = (text) => {
    const [, head, pattern] = /^([a-z][\w-]* = |\s*\*?\[\w+\] )(.+)$/.exec(text) ?? [];
    // What begins a choice has its texts in the lines that follow.
    return head === undefined || pattern.endsWith("->") ? text : head + longer(pattern);
  };
  return messages.split("\n").map(line).join("\n");
}
