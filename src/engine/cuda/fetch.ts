// Fetching a prebuilt library: once, checked against the hash in the source, written under a name
// of its own and then renamed, so that no other process sees half of it.

import { PairfoldError } from "../../error.ts";
import type { PrebuiltLibrary } from "./prebuilt.ts";

const deviceError = (text: string, cause?: unknown): PairfoldError =>
  new PairfoldError("device", `cuda: ${text}`, { cause });

/**
 * Fetches `url` into the file `to`. Throws `PairfoldError` (device) and leaves nothing on failure.
 */
export async function fetchPrebuilt(url: URL, to: string, entry: PrebuiltLibrary): Promise<void> {
  requireGranted({ name: "net", host: url.host }, `fetching ${url.href} wants --allow-net`);
  const folder = to.slice(0, Math.max(to.lastIndexOf("/"), to.lastIndexOf("\\")));
  requireGranted({ name: "write", path: folder }, `keeping ${to} wants --allow-write`);
  const data = await fetchBytes(url);
  const got = await sha256(data);
  if (got !== entry.sha256) {
    throw deviceError(
      `${url.href} is not what was built: got SHA-256 ${got} (${data.length} bytes); ` +
        `expected ${entry.sha256} (${entry.bytes} bytes)`,
    );
  }
  const temporary = `${to}.${Deno.pid}.${crypto.randomUUID()}.tmp`;
  try {
    await Deno.mkdir(folder, { recursive: true });
    await Deno.writeFile(temporary, data, { createNew: true, mode: 0o755 });
    await Deno.rename(temporary, to);
  } catch (error) {
    await Deno.remove(temporary).catch(() => {});
    throw deviceError(`the library cannot be kept at ${to}: ${error}`, error);
  }
}

/** Whether a file that was fetched before is there and whole. */
export async function isIntact(path: string, entry: PrebuiltLibrary): Promise<boolean> {
  try {
    return await sha256(await Deno.readFile(path)) === entry.sha256;
  } catch {
    return false;
  }
}

function requireGranted(descriptor: Deno.PermissionDescriptor, text: string): void {
  if (Deno.permissions.querySync(descriptor).state !== "granted") throw deviceError(text);
}

async function fetchBytes(url: URL): Promise<Uint8Array<ArrayBuffer>> {
  try {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`status ${response.status}`);
    return new Uint8Array(await response.arrayBuffer());
  } catch (error) {
    throw deviceError(`${url.href} cannot be fetched: ${error}`, error);
  }
}

/** SHA-256 as hexadecimal digits. */
export async function sha256(data: Uint8Array<ArrayBuffer>): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", data));
  return [...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
