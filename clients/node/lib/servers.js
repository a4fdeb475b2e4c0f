// SPDX-License-Identifier: Apache-2.0
/** Several servers in turn, and requests sent again where that is safe: *Retries* of docs/protocol.md. */

import { setTimeout as pause } from 'node:timers/promises';

import { contract } from './contract.js';
import { Endpoint } from './endpoint.js';
import { ContractDiffers } from './errors.js';
import { late } from './faults.js';

const PATIENCE_MS = 1000;
/** A try with less time than this would say that it was late, not why there was no answer. */
const LEAST_ATTEMPT_MS = 100;

export class Servers {
  /** @type {Endpoint[]} */
  #endpoints;
  #attempts;
  #turn = 0;

  /**
   * @param {string[]} addresses
   * @param {import('./security.js').Security} security
   * @param {number} attempts
   */
  constructor(addresses, security, attempts) {
    this.#endpoints = addresses.map((address) => new Endpoint(address, security));
    this.#attempts = attempts;
  }

  close() {
    for (const endpoint of this.#endpoints) endpoint.close();
  }

  /** @param {number} deadlineMs */
  async isReady(deadlineMs) {
    return (await Promise.all(this.#endpoints.map((endpoint) => endpoint.isReady(deadlineMs)))).includes(true);
  }

  /**
   * Ask servers in turn until one answers.
   *
   * @template T
   * @param {(endpoint: Endpoint, leftMs: number) => Promise<T>} ask Rejects with a fault; called anew for every try.
   * @param {number} until When to give up, by `performance.now()`.
   * @param {number} deadlineMs
   * @returns {Promise<T>}
   */
  async call(ask, until, deadlineMs) {
    const first = this.#turn;
    this.#turn = (first + 1) % this.#endpoints.length;
    const order = [...this.#endpoints.slice(first), ...this.#endpoints.slice(0, first)];
    for (let attempt = 1; ; attempt += 1) {
      /** @type {import('./faults.js').Fault | null} */
      let kept = null;
      for (const endpoint of order) {
        const leftMs = until - performance.now();
        if (leftMs <= 0) throw kept?.error ?? late(endpoint.address, deadlineMs);
        try {
          await this.#compare(endpoint, leftMs);
          return await ask(endpoint, Math.max(1, until - performance.now()));
        } catch (caught) {
          const found = /** @type {import('./faults.js').Fault} */ (caught);
          if (found.retry === undefined) throw caught;
          if (found.retry === 'never') throw found.error;
          if (kept?.retry !== 'again') kept = found;
        }
      }
      const { error, retry } = /** @type {import('./faults.js').Fault} */ (kept);
      const { first_s, longest_s } = contract.retry;
      const pauseMs = 1000 * Math.random() * Math.min(longest_s, first_s * 2 ** (attempt - 1));
      const noTime = performance.now() + pauseMs + LEAST_ATTEMPT_MS >= until;
      if (retry === 'elsewhere' || attempt >= this.#attempts || noTime) throw error;
      await pause(pauseMs);
    }
  }

  /**
   * Ask a server once which contract it speaks; one that has no word for it is taken as it is.
   *
   * @param {Endpoint} endpoint
   * @param {number} leftMs
   */
  async #compare(endpoint, leftMs) {
    if (endpoint.speaks) return;
    const version = await endpoint.contractVersion(Math.min(PATIENCE_MS, leftMs));
    if (version === null) return;
    if (!/^\d+\.\d+\.\d+$/.test(version) || version.split('.')[0] !== contract.version.split('.')[0]) {
      const words = `the server at ${endpoint.address} speaks the contract ${version}, this client ${contract.version}`;
      throw { error: new ContractDiffers(`${words}; the same major version is accepted`), retry: 'elsewhere' };
    }
    endpoint.speaks = true;
  }
}
