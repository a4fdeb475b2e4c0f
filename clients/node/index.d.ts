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

/** What the analysis of one study found; `vcf_client/findings.schema.json` describes every property. */
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
  transport: string;
  bytes_sent: number;
  /** Wall time of each stage, in the order in which they ran. */
  timings_ms: Record<string, number>;
}

/** PEM files' contents. Without `ca` the system's authorities are trusted. */
export interface Tls {
  ca?: Buffer;
  /** The client's own certificate and its key, for a server that asks for them. */
  certificate?: Buffer;
  key?: Buffer;
}

export interface ClientOptions {
  /** Longest wait for the findings of one study, retries included, 120 000 by default. No step starts after it. */
  deadlineMs?: number;
  /** How often a request that no server has begun is sent, 5 by default. */
  attempts?: number;
  /** Turns TLS on. */
  tls?: Tls;
  /** `NAME=VALUE`; to other machines over TLS only. */
  apiKey?: string;
}

export interface AnalyzeOptions {
  /** What to do if the patient is under 50 or of unknown age: flag it, which is the default, or refuse. */
  agePolicy?: 'warn' | 'block';
  /** Urgent studies go before all routine ones that wait on the server, and find room where those are refused. */
  priority?: 'routine' | 'urgent';
}

/** Sends studies to a Triton server and gets their findings. One client takes any number of studies at a time. */
export class VcfClient {
  /** @param address `host:port` of the server's gRPC endpoint, 127.0.0.1:8001 by default; several are used in turn. */
  constructor(address?: string | string[], options?: ClientOptions);

  /** Whether the server answers and takes studies of DICOM files now. */
  isReady(): Promise<boolean>;

  /**
   * Find fractures in a study.
   *
   * @param study Path of a folder with any number of series, of the DICOMDIR in it, or of one file.
   * @throws {StudyRefused} If the study cannot or must not be analysed; `code` says why.
   * @throws {Overloaded} If no server has room for it now. Nothing of it was sent.
   * @throws {ServerUnavailable} If no server takes studies of DICOM files at the address.
   * @throws {DeadlineExceeded} If the answer did not come in time.
   * @throws {ServerFailed} If the server failed or its answer makes no sense.
   */
  analyze(study: string, options?: AnalyzeOptions): Promise<Findings>;

  /** Close the connection; calls in flight end with an error. */
  close(): void;
}

/** Base of every error that the client raises on purpose. `code` is for programs, the message for people. */
export class VcfError extends Error {
  readonly code: string;
}

/** The study cannot or must not be analysed; an answer, not a failure. `message` is `CODE: sentence`. */
export class StudyRefused extends VcfError {
  constructor(code: string, sentence: string);
  readonly sentence: string;
}

/** No server answers at the address, or it is not ready, or the connection broke. */
export class ServerUnavailable extends VcfError {}

/** The server is there and has no room for another study now. */
export class Overloaded extends ServerUnavailable {}

/** No secure connection: client and server do not accept each other's certificates. */
export class NotTrusted extends ServerUnavailable {}

/** The server asks for an API key, and none or another one was sent. */
export class AccessDenied extends ServerUnavailable {}

/** The server speaks another major version of the contract; the study was not sent. */
export class ContractDiffers extends ServerUnavailable {}

/** The server answered with an error that is no refusal of the study, or with what makes no sense. */
export class ServerFailed extends VcfError {}

/** The answer did not come within the deadline. */
export class DeadlineExceeded extends VcfError {}
