// SPDX-License-Identifier: Apache-2.0

/** x, y, z in patient LPS mm. */
export type Point = [number, number, number];

/** One patch of the spine. */
export interface Patch {
  /** Mean over ensemble members and flips, 0 to 1. */
  probability: number;
  /** Probability smoothed along the spine; what the threshold is applied to. */
  score: number;
  /** Whether `score` reaches the threshold. */
  positive: boolean;
  /** Relative position of the centre in the covered spine, 0 cranial to 1 caudal. */
  location: number;
  /** Smallest and largest corner. */
  box_mm: [Point, Point];
}

/** What the analysis of one study found; `clients/findings.schema.json` describes every property. */
export interface Findings {
  schema_version: string;
  notice: string;
  /** Keyed hash of the series; the same in every process that has the same `VCF_HASH_KEY`. */
  series_id: string;
  /** Largest patch score, 0 to 1. */
  study_score: number;
  threshold: number;
  /** Whether `study_score` reaches `threshold`. */
  positive: boolean;
  /** From head to feet. */
  patches: Patch[];
  /** Canal centre of each slice of the covered spine. */
  centre_line_mm: Point[];
  /** Codes that a reader of the findings should know. */
  flags: string[];
  /** For each series one sentence: taken or not, and why. */
  selection: string[];
  model: { name: string; version: string; networks: string[]; hash: string };
  wire: string;
  bytes_sent: number;
  /** Wall time of each stage, in the order in which they ran. */
  timings_ms: Record<string, number>;
}

export interface ClientOptions {
  /** Longest wait for the answer to one study, 120 000 by default. The server starts no further step after it. */
  deadlineMs?: number;
}

export interface AnalyzeOptions {
  /** What to do if the patient is under 50 or of unknown age: flag it, which is the default, or refuse. */
  agePolicy?: 'warn' | 'block';
}

/** Sends studies to a Triton server and gets their findings. One client takes any number of studies at a time. */
export class VcfClient {
  /** @param address `host:port` of the server's gRPC endpoint, 127.0.0.1:8001 by default. */
  constructor(address?: string, options?: ClientOptions);

  /** Whether the server answers and takes studies of DICOM files now. */
  isReady(): Promise<boolean>;

  /**
   * Find fractures in a study.
   *
   * @param study Path of a folder with any number of series, of the DICOMDIR in it, or of one file.
   * @throws {StudyRefused} If the study cannot or must not be analysed; `code` says why.
   * @throws {ServerUnavailable} If no server takes studies of DICOM files at the address.
   * @throws {DeadlineExceeded} If the answer did not come in time.
   * @throws {ServerFailed} If the server failed or its answer makes no sense.
   */
  analyze(study: string, options?: AnalyzeOptions): Promise<Findings>;

  /** Close the connection; calls in flight end with an error. */
  close(): void;
}

/** Base of every error that the client raises on purpose. */
export class VcfError extends Error {}

/** The study cannot or must not be analysed; an answer, not a failure. `message` is `CODE: sentence`. */
export class StudyRefused extends VcfError {
  constructor(code: string, sentence: string);
  readonly code: string;
  readonly sentence: string;
}

/** No server answers at the address, or it is not ready. */
export class ServerUnavailable extends VcfError {}

/** The server answered with an error that is no refusal of the study, or with what makes no sense. */
export class ServerFailed extends VcfError {}

/** The answer did not come within the deadline. */
export class DeadlineExceeded extends VcfError {}
