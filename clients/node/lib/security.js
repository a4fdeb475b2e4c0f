// SPDX-License-Identifier: Apache-2.0
/** Whom the client trusts, and how it says who it is: TLS, certificates, API key. */

import { credentials, Metadata } from '@grpc/grpc-js';

import { contract } from './contract.js';

const LOOPBACK = /^(127\.|localhost:|\[::1\])/;

export class Security {
  #tls;
  #apiKey;

  /**
   * @param {import('../index.js').Tls} [tls]
   * @param {string} [apiKey] `NAME=VALUE`, as Triton's option `--grpc-restricted-protocol` has it after the colon.
   */
  constructor(tls, apiKey) {
    if (apiKey !== undefined && !/^[a-z0-9_.-]+=[\x21-\x7e]+$/.test(apiKey)) {
      throw new RangeError('apiKey is no NAME=VALUE of small letters, and printable ASCII without blanks');
    }
    this.#tls = tls;
    this.#apiKey = apiKey;
  }

  get tls() {
    return this.#tls !== undefined;
  }

  /** @param {string} address */
  check(address) {
    if (this.#apiKey && !this.tls && !LOOPBACK.test(address)) {
      throw new RangeError('an API key goes to other machines over TLS only: give tls');
    }
  }

  credentials() {
    if (!this.#tls) return credentials.createInsecure();
    const { ca = null, key = null, certificate = null } = this.#tls;
    return credentials.createSsl(ca, key, certificate);
  }

  metadata() {
    const metadata = new Metadata();
    if (this.#apiKey) {
      const at = this.#apiKey.indexOf('=');
      metadata.set(contract.api_key_header_prefix + this.#apiKey.slice(0, at), this.#apiKey.slice(at + 1));
    }
    return metadata;
  }
}
