// SPDX-License-Identifier: Apache-2.0
/** An answer of the server as findings, in the form of `vcf_client/findings.schema.json`. */

import { createHmac, randomBytes } from 'node:crypto';

import { contract } from './contract.js';
import { ServerFailed } from './errors.js';

/** @typedef {import('../index.js').Point} Point */

const processKey = randomBytes(32);

/**
 * HMAC-SHA256 of an identifier, cut to 16 hex digits: tells apart, but cannot be looked up without the key, which is
 * the environment's or lasts one process.
 *
 * @param {string} identifier
 */
export function keyedHash(identifier) {
  const key = process.env[contract.hash_key_variable] || processKey;
  return createHmac('sha256', key).update(identifier).digest('hex').slice(0, 16);
}

/**
 * @param {import('./endpoint.js').Answer} answer
 * @param {number} bytesSent
 * @param {{read: number, prepare: number, network: number}} clientMs Wall times; `network` still holds the server's stages.
 * @returns {import('../index.js').Findings}
 * @throws {ServerFailed} If the tensors do not fit each other.
 */
export function findings({ version, tensors }, bytesSent, clientMs) {
  const numbers = (/** @type {string} */ name) => /** @type {number[]} */ (tensors[name]);
  const texts = (/** @type {string} */ name) => /** @type {string[]} */ (tensors[name]);

  const scores = numbers('patch_scores').map(shortest);
  const probabilities = numbers('patch_probabilities').map(shortest);
  const locations = numbers('location').map(shortest);
  const boxes = rows(numbers('patch_boxes_mm'), 6);
  if (!scores.length || [probabilities, locations, boxes].some((column) => column.length !== scores.length)) {
    throw new ServerFailed(
      `the answer has ${probabilities.length} patch probabilities, ${scores.length} scores, ${boxes.length} boxes ` +
        `and ${locations.length} locations`,
    );
  }
  const [studyScore] = numbers('study_score').map(shortest);
  const [threshold] = numbers('threshold').map(shortest);
  const positive = studyScore >= threshold;
  // The highest patch of a positive study is always marked, whatever its members' scores were aggregated from.
  const marked = Math.min(threshold, Math.max(...scores));
  const toLps = affine(numbers('patient_affine'));
  return {
    schema_version: contract.schema_version,
    notice: contract.notice,
    series_id: keyedHash(texts('series_uid')[0]),
    study_score: studyScore,
    threshold,
    positive,
    patches: scores.map((score, index) => ({
      probability: probabilities[index],
      score,
      positive: positive && score >= marked,
      location: locations[index],
      box_mm: boxLps(boxes[index], toLps),
    })),
    centre_line_mm: rows(numbers('centre_line_mm'), 3).map((point) => rounded(toLps(point))),
    flags: [...new Set([...texts('study_flags'), ...texts('flags')])],
    selection: texts('selection'),
    model: { name: contract.model, version, networks: contract.networks, hash: texts('model_hash')[0] },
    transport: contract.transport,
    bytes_sent: bytesSent,
    timings_ms: timings(clientMs, numbers('stage_timings_ms')),
  };
}

/**
 * The client's own, with the server's stages told apart from the network.
 *
 * @param {{read: number, prepare: number, network: number}} clientMs
 * @param {number[]} stagesMs Of the last stages.
 */
function timings(clientMs, stagesMs) {
  const { stages } = contract;
  if (!stagesMs.length || stagesMs.length > stages.length) {
    throw new ServerFailed(`the answer has ${stagesMs.length} stage timings, there are ${stages.length} stages`);
  }
  const serverMs = stagesMs.reduce((sum, ms) => sum + ms, 0);
  const named = stages.slice(-stagesMs.length).map((stage, index) => [stage, stagesMs[index]]);
  const all = { ...clientMs, network: Math.max(0, clientMs.network - serverMs), ...Object.fromEntries(named) };
  return Object.fromEntries(Object.entries(all).map(([stage, ms]) => [stage, hundredth(ms)]));
}

/**
 * The shortest decimal that is this float32; order among such numbers is kept, so `score >= threshold` is too.
 *
 * @param {number} value
 */
export function shortest(value) {
  for (let digits = 1; digits < 9; digits += 1) {
    const decimal = Number(value.toPrecision(digits));
    if (Math.fround(decimal) === value) return decimal;
  }
  return Number(value.toPrecision(9)); // always enough for a float32
}

/**
 * To a hundredth, ties to the even one as in the Python client; only odd eighths tie exactly. Finer than any voxel.
 *
 * @param {number} value
 */
export function hundredth(value) {
  const ties = Math.abs(value * 8) % 2 === 1;
  return ties ? (2 * Math.round(value * 50)) / 100 : Number(value.toFixed(2));
}

/**
 * @param {Point} point
 * @returns {Point}
 */
function rounded([x, y, z]) {
  return [hundredth(x), hundredth(y), hundredth(z)];
}

/**
 * @param {number[]} matrix (4, 4), row-major.
 * @returns {(point: Point | number[]) => Point}
 */
function affine(matrix) {
  const [x, y, z] = rows(matrix, 4);
  const along = (/** @type {number[]} */ row, /** @type {number[]} */ point) =>
    row[0] * point[0] + row[1] * point[1] + row[2] * point[2] + row[3];
  return (point) => [along(x, point), along(y, point), along(z, point)];
}

/**
 * Smallest and largest corner in the patient's axes, from all eight corners: scans may be a little oblique.
 *
 * @param {number[]} box x0, y0, z0, x1, y1, z1
 * @param {(point: number[]) => Point} toLps
 * @returns {[Point, Point]}
 */
function boxLps(box, toLps) {
  const corners = Array.from({ length: 8 }, (_, pick) =>
    toLps([0, 1, 2].map((axis) => box[axis + 3 * ((pick >> axis) & 1)])),
  );
  const extreme = (/** @type {(...values: number[]) => number} */ of) =>
    rounded(/** @type {Point} */ ([0, 1, 2].map((axis) => of(...corners.map((corner) => corner[axis])))));
  return [extreme(Math.min), extreme(Math.max)];
}

/**
 * @param {number[]} flat
 * @param {number} width
 */
function rows(flat, width) {
  return Array.from({ length: flat.length / width }, (_, row) => flat.slice(row * width, (row + 1) * width));
}
