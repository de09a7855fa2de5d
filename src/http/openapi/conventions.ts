/** What holds for every operation; CommonMark, for the heads of the document and of docs/api.md. */
export const conventions = [
  "Where a path takes GET it takes HEAD; any other method is `METHOD_NOT_ALLOWED`, with `Allow`. What answers have may be added to,",
  "and so may the codes: ignore a field that you do not know, and treat a code that you do not know by its status.",
].join("\n");
