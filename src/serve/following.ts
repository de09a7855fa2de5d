import { Authenticator, type AuthenticatorParts } from "../enforce/authenticator.ts";
import type { Issuer } from "../domain/ports.ts";
import type { Change } from "../domain/records.ts";
import { makeKeyPair } from "../keys/key-pair.ts";
import { memorySigner } from "../keys/memory-signer.ts";
import type { CrlParts } from "../services/crl-maker.ts";
import { CrlPublisher, type CrlPublisherParts } from "../services/crl-publisher.ts";
import type { IssuingParts } from "../services/issue/parts.ts";
import { type DelegateParts, OcspDelegates } from "../services/ocsp/delegates.ts";
import { OcspResponder } from "../services/ocsp/responder.ts";
import { codec } from "../x509/codec.ts";

/** What a server keeps in memory and makes from it, all of which follows the database's changes. */
export interface Following {
  readonly authenticator: Authenticator;
  readonly publisher: CrlPublisher;
  readonly delegates: OcspDelegates;
  readonly responder: OcspResponder;
  stop(): Promise<void>;
}

export interface FollowingParts
  extends
    Pick<
      AuthenticatorParts,
      "database" | "clock" | "validityClock" | "logger" | "identity" | "use" | "onEnded" | "foreignAnchors"
    >,
    Pick<CrlParts, "newCrlBuilder" | "publicUrl" | "crlLife">,
    Pick<CrlPublisherParts, "onCrl"> {
  /** Signs the OCSP responders' certificates. */
  readonly issuing: IssuingParts;
  /** Those that sign here; the root is not among them. */
  readonly issuers: () => readonly Issuer[];
  readonly refreshIssuers: () => Promise<void>;
  /** What else follows, told after all of this. */
  readonly onChanges?: (changes: readonly Change[]) => void;
  readonly onWentBack?: () => Promise<void>;
}

/** Loads what is on record, and follows it. Nothing is left running when that fails. */
export async function startFollowing(parts: FollowingParts): Promise<Following> {
  const { database, clock, logger, issuers, issuing } = parts;
  const publisher = new CrlPublisher(parts);
  const makeSigner: DelegateParts["makeSigner"] = async (keyType) =>
    memorySigner((await makeKeyPair(keyType)).privateKey);
  const delegates = new OcspDelegates({ issuing, issuers, makeSigner, logger });
  const isCurrent = (): boolean => authenticator.isCurrent;
  const responder = new OcspResponder({ database, codec, clock, logger, delegates, isCurrent });
  const authenticator = await Authenticator.start({
    ...{ database, clock, logger, identity: parts.identity, use: parts.use },
    onEnded: parts.onEnded,
    validityClock: parts.validityClock,
    foreignAnchors: parts.foreignAnchors,
    onChanges: async (changes) => {
      if (changes.some(({ action }) => action.startsWith("issuer."))) await parts.refreshIssuers();
      publisher.onChanges(changes);
      responder.onChanges(changes);
      await delegates.onChanges(changes);
      parts.onChanges?.(changes);
    },
    onWentBack: async () => {
      await parts.refreshIssuers();
      responder.onWentBack();
      publisher.onWentBack();
      await parts.onWentBack?.();
      await delegates.onWentBack();
    },
  });
  const stop = async (): Promise<void> => {
    await authenticator.close();
    await delegates.stop();
    await publisher.stop();
  };
  try {
    await publisher.start();
    await delegates.start();
  } catch (error) {
    await stop();
    throw error;
  }
  return { authenticator, publisher, delegates, responder, stop };
}
