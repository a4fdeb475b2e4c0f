// SPDX-License-Identifier: Apache-2.0
export { VcfClient } from './lib/client.js';
export {
  AccessDenied,
  ContractDiffers,
  DeadlineExceeded,
  NotTrusted,
  Overloaded,
  ServerFailed,
  ServerUnavailable,
  StudyRefused,
  VcfError,
} from './lib/errors.js';
