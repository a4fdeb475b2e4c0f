// SPDX-License-Identifier: Apache-2.0
/** One study to the server, its findings back. */

import { randomBytes } from 'node:crypto';

import { contract } from './contract.js';
import { studyFiles } from './files.js';
import { findings } from './findings.js';
import { readFiles } from './message.js';
import { Security } from './security.js';
import { Servers } from './servers.js';

const PATIENCE_MS = 5000;

export class VcfClient {
  /** @type {Servers} */
  #servers;
  /** @type {number} */
  #deadlineMs;

  /**
   * @param {string | string[]} [address]
   * @param {import('../index.js').ClientOptions} [options]
   */
  constructor(address = contract.default_address, options = {}) {
    const { deadlineMs = contract.default_deadline_s * 1000, attempts = contract.retry.attempts, tls, apiKey } = options;
    const addresses = [address].flat();
    if (!addresses.length) throw new RangeError('address is an empty list; host:port or a list of these is accepted');
    if (!(Number.isInteger(attempts) && attempts > 0)) {
      throw new RangeError(`attempts is ${attempts}, it must be at least 1`);
    }
    if (!(deadlineMs > 0 && deadlineMs < Infinity)) {
      throw new RangeError(`deadlineMs is ${deadlineMs}, it must be a number greater than 0`);
    }
    this.#deadlineMs = deadlineMs;
    this.#servers = new Servers(addresses, new Security(tls, apiKey), attempts);
  }

  close() {
    this.#servers.close();
  }

  isReady() {
    return this.#servers.isReady(Math.min(this.#deadlineMs, PATIENCE_MS));
  }

  /**
   * @param {string} study
   * @param {import('../index.js').AnalyzeOptions} [options]
   * @returns {Promise<import('../index.js').Findings>}
   */
  async analyze(study, { agePolicy = 'warn', priority = 'routine' } = {}) {
    if (!contract.age_policy.values.includes(agePolicy)) {
      throw new RangeError(`agePolicy is ${agePolicy}; ${contract.age_policy.values.join(', ')} are accepted`);
    }
    if (!(priority in contract.admission.priorities)) {
      const accepted = Object.keys(contract.admission.priorities).join(', ');
      throw new RangeError(`priority is ${priority}; ${accepted} are accepted`);
    }
    const started = performance.now();
    const { buffer, begin, end, count } = await readFiles(await studyFiles(study));
    const read = performance.now();
    const prepared = performance.now();
    let sent = 0;
    /** @type {Map<import('./endpoint.js').Endpoint, string>} By which a full server knows who has asked before. */
    const ids = new Map();
    const answer = await this.#servers.call(
      async (endpoint, leftMs) => {
        const id = ids.get(endpoint) ?? `node-${randomBytes(8).toString('hex')}`;
        ids.set(endpoint, id);
        await endpoint.admit(id, priority, leftMs);
        const head = endpoint.head(id, count, leftMs, agePolicy, priority);
        const request = buffer.subarray(begin, end + head.copy(buffer, end));
        sent = request.length;
        try {
          return await endpoint.infer(request, leftMs);
        } catch (error) {
          ids.delete(endpoint);
          endpoint.leave(id);
          throw error;
        }
      },
      prepared + this.#deadlineMs,
      this.#deadlineMs,
    );
    return findings(answer, sent, {
      read: read - started,
      prepare: prepared - read,
      network: performance.now() - prepared,
    });
  }
}
