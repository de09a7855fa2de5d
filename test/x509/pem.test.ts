import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromBase64, fromPem, toPem } from "../../src/x509/pem.ts";

const labels = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];
const der = Buffer.from(Array.from({ length: 100 }, (_, index) => index));
const pem = toPem("CERTIFICATE REQUEST", der);
const [first = "", ...rest] = pem.split("\n");

describe("PEM", () => {
  it("has 64 characters a line and a line break at the end", () => {
    const lines = pem.split("\n");
    expect(lines.map((line) => line.length)).toEqual([35, 64, 64, 8, 33, 0]);
  });

  it("has no empty line when the last one is full", () => {
    expect(toPem("X", Buffer.alloc(48))).not.toContain("\n\n");
  });

  it("reads back what it writes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), (bytes) => {
        expect(fromPem(toPem("CERTIFICATE REQUEST", bytes), labels)).toEqual(Buffer.from(bytes));
      }),
    );
  });

  it.each([
    ["as written", pem],
    ["with the other label", toPem("NEW CERTIFICATE REQUEST", der)],
    ["with CRLF", pem.replaceAll("\n", "\r\n")],
    ["without the last line break", pem.trimEnd()],
    ["with white space around", `\n\n  ${pem}\n\n`],
    ["on one line of base64", toPemOnOneLine()],
  ])("is read %s", (_name, text) => {
    expect(fromPem(text, labels)).toEqual(der);
  });

  it.each([
    ["nothing", ""],
    ["two blocks", pem + pem],
    ["text before it", `Subject: me\n${pem}`],
    ["text after it", `${pem}bye`],
    ["another label", toPem("CERTIFICATE", der)],
    ["two labels", pem.replace("END CERTIFICATE", "END NEW CERTIFICATE")],
    ["no end", pem.replace(/-----END.*\n/, "")],
    ["no beginning", rest.join("\n")],
    ["no contents", `${first}\n-----END CERTIFICATE REQUEST-----\n`],
    ["headers, as encrypted keys have", pem.replace("\n", "\nProc-Type: 4,ENCRYPTED\n\n")],
    ["padding left out", pem.replace("==", "")],
    ["padding in the middle", pem.replace("AAEC", "AA==")],
    ["bits set behind the padding", pem.replace("Yw==", "Yx==")],
    ["URL-safe base64", pem.replace("AAEC", "AA-_")],
  ])("is refused: %s", (_name, text) => {
    expect(text === "" || text !== pem).toBe(true);
    expect(fromPem(text, labels)).toBeUndefined();
  });

  it("takes time in proportion to the text: what a stranger sends must not hold everybody up", () => {
    const spaces = " ".repeat(4_000_000); // a backtracking expression would need days
    for (const text of [
      `-----BEGIN ${labels[0] ?? ""}-----${spaces}`,
      `-----BEGIN A-----${spaces}`,
      spaces,
    ]) {
      expect(fromPem(text, labels)).toBeUndefined();
    }
  });

  function toPemOnOneLine(): string {
    return `${first}\n${der.toString("base64")}\n-----END CERTIFICATE REQUEST-----`;
  }
});

describe("base64", () => {
  it("is canonical, or refused", () => {
    expect(fromBase64("AAEC")).toEqual(Buffer.of(0, 1, 2));
    for (const text of ["", "AAE", "AAE=C", "AAEC\n", "AB==", "A-_C", "AAEC=", "AAEC===="]) {
      expect(fromBase64(text), JSON.stringify(text)).toBeUndefined();
    }
  });
});
