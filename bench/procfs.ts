import { globSync, readFileSync, writeFileSync } from "node:fs";
import { basename } from "node:path";

// What Linux tells of a process. Elsewhere everything is NaN.

/** USER_HZ: 100 on every architecture that Node runs on, whatever the kernel's own HZ (proc_pid_stat(5)). */
const TICKS_PER_SECOND = 100;

/** The time that all threads of a process have spent on a core, user and system; seconds, in steps of 10 ms. */
export function cpuSeconds(pid: number): number {
  // The program's name, in parentheses, may have blanks and parentheses in it.
  const fields = read(pid, "stat")
    .replace(/^.*\) /s, "")
    .split(" ");
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

/** The same of the threads that there are, to the nanosecond where the kernel tells it (CONFIG_SCHED_INFO). */
export function threadSeconds(pid: number): number {
  const stats = globSync(`/proc/${String(pid)}/task/*`).map((folder) => `task/${basename(folder)}/schedstat`);
  const threads = stats.map((file) => read(pid, file));
  const seconds = threads.reduce((all, text) => all + Number(text.split(" ")[0]) / 1e9, 0);
  return seconds > 0 ? seconds : cpuSeconds(pid);
}

/** Resident memory now and at its highest; MiB. */
export function memory(pid: number): { readonly now: number; readonly peak: number } {
  const status = read(pid, "status");
  const mebibytes = (name: string): number =>
    Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? Number.NaN) / 1024;
  return { now: mebibytes("VmRSS"), peak: mebibytes("VmHWM") };
}

/** Lets the peak begin anew, so that it isn't that of the start (proc_pid_clear_refs(5)). */
export function resetPeak(pid: number): void {
  try {
    writeFileSync(`/proc/${String(pid)}/clear_refs`, "5");
  } catch {
    // Then the peak is that of the process's whole life.
  }
}

function read(pid: number, file: string): string {
  try {
    return readFileSync(`/proc/${String(pid)}/${file}`, "latin1");
  } catch {
    return "";
  }
}
