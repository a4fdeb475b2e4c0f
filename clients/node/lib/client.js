// SPDX-License-Identifier: Apache-2.0
/** One study to the server, its findings back. */

import { randomBytes } from 'node:crypto';

import { contract } from './contract.js';
import { studyFiles } from './files.js';
import { findings } from './findings.js';
import { readFiles } from './message.js';
import { Wire } from './wire.js';

const PATIENCE_MS = 5000;

export class VcfClient {
  /** @type {Wire} */
  #wire;
  /** @type {number} */
  #deadlineMs;

  /**
   * @param {string} [address]
   * @param {import('../index.js').ClientOptions} [options]
   */
  constructor(address = contract.default_address, { deadlineMs = contract.default_deadline_s * 1000 } = {}) {
    if (!(deadlineMs > 0 && deadlineMs < Infinity)) {
      throw new RangeError(`deadlineMs is ${deadlineMs}, it must be a number greater than 0`);
    }
    this.#deadlineMs = deadlineMs;
    this.#wire = new Wire(address);
  }

  close() {
    this.#wire.close();
  }

  isReady() {
    return this.#wire.isReady(Math.min(this.#deadlineMs, PATIENCE_MS));
  }

  /**
   * @param {string} study
   * @param {import('../index.js').AnalyzeOptions} [options]
   * @returns {Promise<import('../index.js').Findings>}
   */
  async analyze(study, { agePolicy = 'warn' } = {}) {
    if (!contract.age_policy.values.includes(agePolicy)) {
      throw new RangeError(`agePolicy is ${agePolicy}; ${contract.age_policy.values.join(', ')} are accepted`);
    }
    const started = performance.now();
    const { buffer, begin, end, count } = await readFiles(await studyFiles(study));
    const read = performance.now();
    const head = this.#wire.head(`node-${randomBytes(8).toString('hex')}`, count, this.#deadlineMs, agePolicy);
    const request = buffer.subarray(begin, end + head.copy(buffer, end));
    const prepared = performance.now();
    const answer = await this.#wire.infer(request, this.#deadlineMs);
    return findings(answer, request.length, {
      read: read - started,
      prepare: prepared - read,
      wire: performance.now() - prepared,
    });
  }
}
