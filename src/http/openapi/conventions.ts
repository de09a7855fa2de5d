/** What holds for every operation; CommonMark, for the heads of the document and of docs/api.md. */
export const conventions = [
  "Where a path takes GET it takes HEAD; any other method is `METHOD_NOT_ALLOWED`, with `Allow`. A 401 has",
  "`WWW-Authenticate`, a 429 or 503 `Retry-After`, in seconds. A body on the CA listener is at most 64 KiB, a CSR in it 16 KiB.",
  "Fields and codes may be added: ignore a field that you do not know, and treat a code that you do not know by its status.",
].join("\n");
