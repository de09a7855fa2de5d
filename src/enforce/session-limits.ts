import { type ServerHttp2Session, type ServerHttp2Stream, constants } from "node:http2";
import type { Limits } from "../domain/limits.ts";
import { SECOND } from "../domain/time.ts";

/** For what is under way on a session that is closed in good order. */
const GRACE = 5 * SECOND;

const closing = new WeakSet<ServerHttp2Session>();

/** Closes a session in good order (GOAWAY), but not for ever: its other side may never take what is sent. */
export function closeSession(session: ServerHttp2Session): void {
  session.close();
  if (session.destroyed || closing.has(session)) return;
  closing.add(session);
  const timer = setTimeout(() => {
    session.destroy();
  }, GRACE).unref();
  // Or all that a session holds would stay in memory until then.
  session.once("close", () => {
    clearTimeout(timer);
  });
}

/**
 * Holds an HTTP/2 session to the times that Node has for HTTP/1.1 only: until its first request has come, for each whole
 * request, and between them. Of a header block that never ends, Node tells nobody.
 */
export function holdSession(
  session: ServerHttp2Session,
  { headerTime, requestTime, idleTime }: Pick<Limits, "headerTime" | "requestTime" | "idleTime">,
): void {
  const untilFirst = setTimeout(() => {
    session.destroy();
  }, headerTime).unref();
  session.once("stream", () => {
    clearTimeout(untilFirst);
  });
  session.on("stream", (stream: ServerHttp2Stream) => {
    holdStream(stream, requestTime);
  });
  const stopWaiting = closeWhenIdle(session, idleTime);
  session.once("close", () => {
    clearTimeout(untilFirst);
    stopWaiting();
  });
}

/** By a timer of our own: Node leaves that of `session.setTimeout()` behind, with the whole session, when one is destroyed. */
function closeWhenIdle(session: ServerHttp2Session, idleTime: number): () => void {
  let timer: NodeJS.Timeout | undefined;
  let open = 0;
  const wait = (): void => {
    timer = setTimeout(() => {
      closeSession(session);
    }, idleTime).unref();
  };
  session.on("stream", (stream: ServerHttp2Stream) => {
    open += 1;
    clearTimeout(timer);
    stream.once("close", () => {
      open -= 1;
      if (open === 0 && !session.destroyed) wait();
    });
  });
  wait();
  return () => {
    clearTimeout(timer);
  };
}

function holdStream(stream: ServerHttp2Stream, requestTime: number): void {
  // Nobody would decide on what is pushed, or end it.
  Object.defineProperty(stream, "pushAllowed", { value: false });
  if (stream.endAfterHeaders) return;
  const late = setTimeout(() => {
    stream.close(constants.NGHTTP2_CANCEL);
  }, requestTime).unref();
  const done = (): void => {
    clearTimeout(late);
  };
  stream.once("end", done);
  stream.once("close", done);
}
