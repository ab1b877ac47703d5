// The parts of npm:laz-perf that laz.ts calls (its own types lean on ambient emscripten names).

interface LasZip {
  open(data: number, length: number): void;
  getPoint(destination: number): void;
  delete(): void;
}

interface LazPerfModule {
  readonly LASZip: new () => LasZip;
  readonly HEAPU8: Uint8Array;
  _malloc(bytes: number): number;
}

interface LoaderOptions {
  readonly print: (text: string) => void;
  readonly printErr: (text: string) => void;
}

declare const lazPerf: {
  createLazPerf(options: LoaderOptions): Promise<LazPerfModule>;
};

export default lazPerf;
