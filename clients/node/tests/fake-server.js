// SPDX-License-Identifier: Apache-2.0
/** A server that gives the answer that a test asks for, and files that look like DICOM. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { loadPackageDefinition, Server, ServerCredentials } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

const PROTO = fileURLToPath(new URL('../proto/kserve.proto', import.meta.url));

/** @typedef {(request: any, done: (error: {code: number, details: string} | null, reply?: any) => void) => void} Reply */

/**
 * @param {import('node:test').TestContext} t Stops the server when the test ends.
 * @param {Reply} reply To `ModelInfer` of a study.
 * @param {Reply} [admit] To the question for room.
 * @returns {Promise<string>} Its address.
 */
export async function fakeServer(t, reply, admit = (_, done) => done(null, { model_name: 'admission' })) {
  const loaded = /** @type {any} */ (loadPackageDefinition(loadSync(PROTO, { keepCase: true, longs: Number })));
  const server = new Server({ 'grpc.max_receive_message_length': -1 });
  server.addService(loaded.inference.GRPCInferenceService.service, {
    ModelInfer: (/** @type {any} */ call, /** @type {any} */ done) =>
      (call.request.model_name === 'admission' ? admit : reply)(call.request, done),
    ModelReady: (/** @type {any} */ call, /** @type {any} */ done) => done(null, { ready: call.request.name === 'vcf_dicom' }),
  });
  const port = await new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
  t.after(() => server.forceShutdown());
  return `127.0.0.1:${port}`;
}

/** A study of two patches, one of them suspected, in a frame that is turned by 90° about the patient's z. */
export function answer() {
  /** @type {Record<string, [string, number[], number[] | string[]]>} */
  const tensors = {
    study_score: ['FP32', [1], [0.7]],
    threshold: ['FP32', [1], [0.7]],
    patch_probabilities: ['FP32', [2], [0.1, 0.9]],
    patch_scores: ['FP32', [2], [0.3, 0.7]],
    patch_boxes_mm: ['FP32', [2, 6], [1, 2, 30, 4, 6, 60, 1, 2, 0, 4, 6, 30]],
    location: ['FP32', [2], [0.25, 0.75]],
    centre_line_mm: ['FP32', [2, 3], [2.5, 4, 0, 2.5, 4, 0.125]],
    flags: ['BYTES', [2], ['CANAL_INTERPOLATED', 'THICK_SLICES']],
    patient_affine: ['FP64', [4, 4], [0, -1, 0, 10, 1, 0, 0, 20, 0, 0, 1, -300, 0, 0, 0, 1]],
    series_uid: ['BYTES', [1], ['1.2.3']],
    study_flags: ['BYTES', [1], ['THICK_SLICES']],
    selection: ['BYTES', [1], ['series 1 of 1 taken: Größe']],
    model_hash: ['BYTES', [1], ['0f'.repeat(32)]],
    stage_timings_ms: ['FP32', [3], [1, 2, 0.5]],
  };
  return tensors;
}

/** @param {ReturnType<typeof answer>} tensors */
export function asMessage(tensors) {
  const entries = Object.entries(tensors);
  return {
    model_name: 'vcf_dicom',
    model_version: '1',
    outputs: entries.map(([name, [datatype, shape]]) => ({ name, datatype, shape })),
    raw_output_contents: entries.map(([, [datatype, , values]]) => Buffer.concat(values.map((v) => element(datatype, v)))),
  };
}

/**
 * @param {string} datatype
 * @param {number | string} value
 */
function element(datatype, value) {
  if (typeof value === 'string') {
    const text = Buffer.from(value);
    return Buffer.concat([new Uint8Array(new Uint32Array([text.length]).buffer), text]);
  }
  return new Uint8Array((datatype === 'FP32' ? new Float32Array([value]) : new Float64Array([value])).buffer);
}

/**
 * A folder that goes away with the test.
 *
 * @param {import('node:test').TestContext} t
 */
export async function folder(t) {
  const path = await mkdtemp(join(tmpdir(), 'vcf-node-'));
  t.after(() => rm(path, { recursive: true, force: true }));
  return path;
}

/** @param {string} content */
export function dicom(content) {
  return Buffer.concat([Buffer.alloc(128), Buffer.from(`DICM${content}`)]);
}

/**
 * A folder with two files that look like DICOM.
 *
 * @param {import('node:test').TestContext} t
 */
export async function study(t) {
  const path = await folder(t);
  await writeFile(join(path, 'a.dcm'), dicom('first'));
  await writeFile(join(path, 'b.dcm'), dicom('second'));
  return path;
}
