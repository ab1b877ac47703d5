// What engines ask of the system: permissions, variables, files, the cache folder. Nothing here
// prompts or throws; what may not be known is taken for absent.

/** Whether a permission is granted already. */
export function granted(descriptor: Deno.PermissionDescriptor): boolean {
  return Deno.permissions.querySync(descriptor).state === "granted";
}

/** Whether a library may be opened. */
export function mayOpen(path: string): boolean {
  return granted({ name: "ffi", path });
}

/** A variable of the environment; undefined where it is unset, empty or may not be read. */
export function readVariable(variable: string): string | undefined {
  if (!granted({ name: "env", variable })) return undefined;
  return Deno.env.get(variable) || undefined;
}

/**
 * Whether a file is there, and, where given, as long as it should be. Where reading is not granted
 * the answer is yes: opening it will tell.
 */
export function isFile(path: string, bytes?: number): boolean {
  if (!granted({ name: "read", path })) return bytes === undefined;
  try {
    const info = Deno.statSync(path);
    return info.isFile && (bytes === undefined || info.size === bytes);
  } catch {
    return false;
  }
}

/** Parts of a path of this host. */
export function pathOf(...parts: readonly string[]): string {
  return parts.join(Deno.build.os === "windows" ? "\\" : "/");
}

/** The folder for what is fetched or compiled; null where none can be known. */
export function cacheFolder(option?: string): string | null {
  const asked = option ?? readVariable("PAIRFOLD_CACHE");
  if (asked) return asked;
  if (Deno.build.os === "windows") {
    const base = readVariable("LOCALAPPDATA");
    return base ? `${base}\\pairfold` : null;
  }
  const home = readVariable("HOME");
  if (Deno.build.os === "darwin") return home ? `${home}/Library/Caches/pairfold` : null;
  const base = readVariable("XDG_CACHE_HOME") ?? (home ? `${home}/.cache` : undefined);
  return base ? `${base}/pairfold` : null;
}

/**
 * A folder of the cache that is the user's own, made where it was missing and that is granted; null
 * where it cannot be read, or others may write to it.
 */
export function privateFolder(base: string, name: string): string | null {
  const folder = pathOf(base, name);
  if (!granted({ name: "read", path: folder })) return null;
  try {
    if (granted({ name: "write", path: folder })) {
      Deno.mkdirSync(folder, { recursive: true, mode: 0o700 });
    }
    return isPrivate(folder) ? folder : null;
  } catch {
    return null;
  }
}

/** Whether others may not write to a folder. */
function isPrivate(folder: string): boolean {
  const { isDirectory, mode, uid } = Deno.statSync(folder);
  if (Deno.build.os === "windows") return isDirectory;
  const mine = granted({ name: "sys", kind: "uid" }) ? Deno.uid() : null;
  return isDirectory && ((mode ?? 0) & 0o022) === 0 && (mine === null || uid === mine);
}

/**
 * A name made of a text, for an entry that holds the text itself: two hashes of it (FNV-1a from two
 * seeds).
 */
export function hashOf(text: string): string {
  let [a, b] = [0x811c9dc5, 0x2f0b4c47];
  for (let k = 0; k < text.length; k++) {
    const code = text.charCodeAt(k);
    a = Math.imul(a ^ code, 0x01000193);
    b = Math.imul(b ^ code, 0x01000193);
  }
  return [a, b].map((h) => (h >>> 0).toString(16).padStart(8, "0")).join("");
}

/** Lines of /proc/cpuinfo that tell processors apart, on x86 and ARM. */
const TELLING =
  /^(vendor_id|cpu family|model|model name|stepping|flags|Features|CPU [a-z]+)\s*:.*$/gm;

/** The first processor's kind and features; null where the system does not tell. */
export function processorOf(): string | null {
  return processor ??= readProcessor();
}

/** What was read: several ask, on the way to the first formula. */
let processor: string | null = null;

function readProcessor(): string | null {
  // files of the system want all permissions
  if (typeof Deno === "undefined" || Deno.build.os !== "linux" || !granted({ name: "read" })) {
    return null;
  }
  try {
    const [first] = Deno.readTextFileSync("/proc/cpuinfo").split("\n\n");
    const lines = first.match(TELLING) ?? [];
    return lines.some((line) => /^(flags|Features)/.test(line)) ? lines.join("\n") : null;
  } catch {
    return null;
  }
}
