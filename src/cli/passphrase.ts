import { Refusal } from "../domain/errors.ts";

/** Does what opens a client's key, and names the option when that needs a passphrase, or another one. */
export async function namingPassphrase<Result>(work: () => Result | Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    const isAboutIt =
      error instanceof Refusal && (error.code === "PASSWORD_REQUIRED" || error.code === "PASSWORD_WRONG");
    if (!isAboutIt) throw error;
    throw new Refusal(error.code, `${error.message} Give it with --passphrase-file.`, error.detail);
  }
}
