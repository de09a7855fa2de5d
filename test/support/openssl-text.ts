/** Reads the extensions out of `openssl x509 -text`: name to what is said of it, on one line. */
export function extensionsIn(text: string): Record<string, string> {
  const found: Record<string, string> = {};
  const [, part = ""] = /X509v3 extensions:\n([^]*?)\n {4}Signature Algorithm/.exec(text) ?? [];
  let name = "";
  for (const line of part.split("\n")) {
    if (/^ {12}\S/.test(line)) name = line.trim();
    else found[name] = [found[name], line.trim()].filter(Boolean).join(" ");
  }
  return found;
}
