// SPDX-License-Identifier: Apache-2.0
/** Requests to Triton over gRPC, and what its answers and errors mean. */

import { fileURLToPath } from 'node:url';

import { Client, status } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import { contract } from './contract.js';
import { ServerFailed } from './errors.js';
import { fault } from './faults.js';

/** @typedef {number[] | string[]} Values */
/** @typedef {{version: string, tensors: Record<string, Values>}} Answer Checked tensors by name, flat, row-major. */

const service = /** @type {import('@grpc/proto-loader').ServiceDefinition} */ (
  loadSync(fileURLToPath(new URL('../proto/kserve.proto', import.meta.url)), {
    keepCase: true,
    longs: Number,
    defaults: true,
  })['inference.GRPCInferenceService']
);

/** Triton's own request parameter, in microseconds: what is left to the server when the request arrives. */
const TIMEOUT = 'timeout';

/** Triton's own request parameter: 1 goes first. */
const PRIORITY = 'priority';
/** How long the server may take to note that a study is given up; nobody waits for it. */
const LEAVE_MS = 3000;

/** @type {Record<string, {bytes: number, read: (raw: Buffer, at: number) => number}>} */
const NUMBERS = {
  FP32: { bytes: 4, read: (raw, at) => raw.readFloatLE(at) },
  FP64: { bytes: 8, read: (raw, at) => raw.readDoubleLE(at) },
};

/** Triton's gRPC endpoint. No proxy is taken from the environment: a study goes to the address and nowhere else. */
export class Endpoint {
  /** @type {Client} */
  #client;

  /** @type {import('./security.js').Security} */
  #security;
  /** Whether the server is known to speak our contract. */
  speaks = false;

  /**
   * @param {string} address `host:port`
   * @param {import('./security.js').Security} security
   */
  constructor(address, security) {
    security.check(address);
    this.address = address;
    this.#security = security;
    this.#client = new Client(address, security.credentials(), {
      'grpc.max_send_message_length': contract.max_message_bytes,
      'grpc.max_receive_message_length': contract.max_message_bytes,
      'grpc.enable_http_proxy': 0,
      'grpc.enable_retries': 0,
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      'grpc.use_local_subchannel_pool': 1,
    });
  }

  close() {
    this.#client.close();
  }

  /**
   * Whether the server answers and takes studies of DICOM files now; no server is a plain no.
   *
   * @param {number} deadlineMs
   * @returns {Promise<boolean>}
   */
  async isReady(deadlineMs) {
    const { requestSerialize } = service.ModelReady;
    const request = requestSerialize({ name: contract.model });
    return this.#call(service.ModelReady, request, deadlineMs).then(
      (reply) => reply.ready,
      () => false,
    );
  }

  /**
   * The version of the contract that the server names; null where it names none, or says nothing now.
   *
   * @param {number} deadlineMs
   * @returns {Promise<string | null>}
   */
  async contractVersion(deadlineMs) {
    const request = service.ModelConfig.requestSerialize({ name: contract.model });
    return this.#call(service.ModelConfig, request, deadlineMs).then(
      ({ config }) => config?.parameters?.[contract.version_parameter]?.string_value ?? null,
      () => null,
    );
  }

  /**
   * Ask for room for a study, before anything of it is sent. A server from before there was admission has always room.
   *
   * @param {string} id That of the study's request.
   * @param {string} priority
   * @param {number} deadlineMs
   */
  async admit(id, priority, deadlineMs) {
    try {
      await this.#call(service.ModelInfer, admission(id, priority, deadlineMs), deadlineMs);
    } catch (thrown) {
      const error = /** @type {import('@grpc/grpc-js').ServiceError} */ (thrown);
      if (error.code === status.NOT_FOUND && error.details.includes(contract.admission.model)) return;
      throw fault(error, this.address, deadlineMs, this.#security.tls);
    }
  }

  /**
   * Tell the server that nobody waits for a study any more, without waiting for an answer.
   *
   * @param {string} id
   */
  leave(id) {
    this.#call(service.ModelInfer, admission(id, contract.admission.leave, LEAVE_MS), LEAVE_MS).catch(() => {});
  }

  /**
   * All of a request but the tensor's bytes.
   *
   * @param {string} id Unlike that of any other request.
   * @param {number} count Files in the tensor.
   * @param {number} budgetMs How long the server may work on it: it starts no further step after that.
   * @param {string} agePolicy
   * @param {'routine' | 'urgent'} priority
   * @returns {Buffer}
   */
  head(id, count, budgetMs, agePolicy, priority) {
    return service.ModelInfer.requestSerialize({
      model_name: contract.model,
      id,
      parameters: {
        [TIMEOUT]: { int64_param: Math.max(1, Math.floor(budgetMs * 1000)) },
        [PRIORITY]: { int64_param: contract.admission.priorities[priority] },
        [contract.age_policy.parameter]: { string_param: agePolicy },
      },
      inputs: [{ name: contract.input, datatype: 'BYTES', shape: [count] }],
      outputs: Object.keys(contract.outputs).map((name) => ({ name })),
    });
  }

  /**
   * Send a serialised request and wait for its answer.
   *
   * @param {Buffer} request
   * @param {number} deadlineMs
   * @returns {Promise<Answer>}
   */
  async infer(request, deadlineMs) {
    let reply;
    try {
      reply = await this.#call(service.ModelInfer, request, deadlineMs);
    } catch (error) {
      const failed = /** @type {import('@grpc/grpc-js').ServiceError} */ (error);
      throw fault(failed, this.address, deadlineMs, this.#security.tls);
    }
    /** @type {Record<string, Values>} */
    const tensors = {};
    for (const [name, expected] of Object.entries(contract.outputs)) {
      const at = reply.outputs.findIndex((/** @type {{name: string}} */ output) => output.name === name);
      const raw = reply.raw_output_contents[at];
      if (!raw) throw new ServerFailed(`the answer has no tensor ${name}`);
      tensors[name] = values(name, expected, reply.outputs[at], raw);
    }
    return { version: reply.model_version, tensors };
  }

  /**
   * @param {import('@grpc/proto-loader').MethodDefinition<object, object>} method
   * @param {Buffer} request Serialised already.
   * @param {number} deadlineMs
   * @returns {Promise<any>}
   */
  #call(method, request, deadlineMs) {
    const options = { deadline: Date.now() + deadlineMs };
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        (/** @type {Buffer} */ bytes) => bytes,
        method.responseDeserialize,
        request,
        this.#security.metadata(),
        options,
        (error, reply) => (error ? reject(error) : resolve(reply)),
      );
    });
  }
}

/**
 * A question to the model that knows whether there is room.
 *
 * @param {string} id
 * @param {string} word
 * @param {number} budgetMs
 * @returns {Buffer}
 */
function admission(id, word, budgetMs) {
  const text = Buffer.from(word);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(text.length);
  return service.ModelInfer.requestSerialize({
    model_name: contract.admission.model,
    id,
    parameters: { [TIMEOUT]: { int64_param: Math.max(1, Math.floor(budgetMs * 1000)) } },
    inputs: [{ name: contract.admission.input, datatype: 'BYTES', shape: [1] }],
    raw_input_contents: [Buffer.concat([length, text])],
  });
}

/**
 * The tensor's values, once its type, shape and size are what the contract says.
 *
 * @param {string} name
 * @param {{dtype: string, shape: number[]}} expected
 * @param {{datatype: string, shape: number[]}} output
 * @param {Buffer} raw
 * @returns {Values}
 */
function values(name, expected, { datatype, shape }, raw) {
  const fits =
    datatype === expected.dtype &&
    shape.length === expected.shape.length &&
    shape.every((size, axis) => [-1, size].includes(expected.shape[axis]));
  if (!fits) {
    throw new ServerFailed(
      `tensor ${name} of the answer is ${datatype} [${shape}], not ${expected.dtype} [${expected.shape}]`,
    );
  }
  const size = shape.reduce((product, extent) => product * extent, 1);
  const found = datatype === 'BYTES' ? texts(raw) : numbers(raw, NUMBERS[datatype]);
  if (found?.length !== size) {
    throw new ServerFailed(`tensor ${name} of the answer, ${datatype} [${shape}], came with ${raw.length} bytes`);
  }
  if (found.some((value) => typeof value === 'number' && !Number.isFinite(value))) {
    throw new ServerFailed(`tensor ${name} of the answer holds values that are not finite`);
  }
  return found;
}

/**
 * @param {Buffer} raw
 * @param {{bytes: number, read: (raw: Buffer, at: number) => number}} type
 * @returns {number[] | null} null where a number is cut short.
 */
function numbers(raw, { bytes, read }) {
  if (raw.length % bytes) return null;
  return Array.from({ length: raw.length / bytes }, (_, index) => read(raw, index * bytes));
}

/**
 * Elements of a BYTES tensor: each a 32-bit length and as many bytes (KServe v2, *raw tensor contents*).
 *
 * @param {Buffer} raw
 * @returns {string[] | null} null where a length runs past the end.
 */
function texts(raw) {
  const found = [];
  let at = 0;
  while (at + 4 <= raw.length) {
    const end = at + 4 + raw.readUInt32LE(at);
    if (end > raw.length) return null;
    found.push(raw.toString('utf8', at + 4, end));
    at = end;
  }
  return at === raw.length ? found : null;
}
