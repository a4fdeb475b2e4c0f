// SPDX-License-Identifier: Apache-2.0
#include <openssl/hmac.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>

#include "contract.hpp"

namespace vcf {
namespace {

using Numbers = std::map<std::string, std::vector<double>>;
using Texts = std::map<std::string, std::vector<std::string>>;

Error nonsense(const std::string& what) { return Error("SERVER_FAILED", "the answer makes no sense: " + what); }

std::uint64_t little_endian(const std::string& raw, std::size_t at, int bytes) {
  std::uint64_t value = 0;
  for (int byte = 0; byte < bytes; ++byte) value |= static_cast<std::uint64_t>(static_cast<unsigned char>(raw[at + byte])) << 8 * byte;
  return value;
}

/** The shortest decimal that is this float32. */
double shortest(std::uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  char text[32];
  for (int digits = 1; digits <= 9; ++digits) {
    std::snprintf(text, sizeof text, "%.*g", digits, value);
    if (std::strtof(text, nullptr) == value) break;
  }
  return std::strtod(text, nullptr);
}

/** Check type, shape and size of a tensor and read its values. */
void decode(const inference::ModelInferResponse& answer, const nlohmann::json& expected, Numbers& numbers, Texts& texts) {
  const std::string name = expected["name"], dtype = expected["dtype"];
  const auto want = expected["shape"].get<std::vector<std::int64_t>>();
  int at = 0;
  while (at < answer.outputs_size() && answer.outputs(at).name() != name) ++at;
  if (at >= std::min(answer.outputs_size(), answer.raw_output_contents_size())) throw nonsense("there is no tensor " + name);
  const auto& output = answer.outputs(at);
  bool fits = output.datatype() == dtype && output.shape_size() == static_cast<int>(want.size());
  std::uint64_t size = 1;
  for (int axis = 0; fits && axis < output.shape_size(); ++axis) {
    fits = want[axis] == -1 || want[axis] == output.shape(axis);
    size *= output.shape(axis);
  }
  const std::string& raw = answer.raw_output_contents(at);
  auto& values = numbers[name];
  auto& words = texts[name];
  const std::size_t width = dtype == "FP64" ? 8 : 4;
  for (std::size_t place = 0; fits && place < raw.size();) {
    if (!(fits = raw.size() - place >= width)) break;
    const std::uint64_t bits = little_endian(raw, place, width);
    place += width;
    if (dtype == "BYTES") {
      if ((fits = raw.size() - place >= bits)) words.push_back(raw.substr(place, bits));
      place += bits;
    } else if (dtype == "FP32") {
      values.push_back(shortest(static_cast<std::uint32_t>(bits)));
    } else {
      std::memcpy(&values.emplace_back(), &bits, sizeof bits);
    }
  }
  const bool finite = std::all_of(values.begin(), values.end(), [](double value) { return std::isfinite(value); });
  if (!fits || !finite || values.size() + words.size() != size) throw nonsense("tensor " + name + " is not what the contract says");
}

/** HMAC-SHA256 of an identifier, cut to 16 hex digits, by the environment's key or one of this process. */
std::string keyed_hash(const std::string& identifier) {
  static const std::string process_key = [] {
    std::random_device random;
    std::string key;
    for (int byte = 0; byte < 32; ++byte) key.push_back(static_cast<char>(random()));
    return key;
  }();
  const char* named = std::getenv(contract()["findings"]["hash_key_variable"].get<std::string>().c_str());
  const std::string key = named && *named ? named : process_key;
  unsigned char digest[32];
  HMAC(EVP_sha256(), key.data(), key.size(), reinterpret_cast<const unsigned char*>(identifier.data()), identifier.size(), digest, nullptr);
  char text[17];
  for (int byte = 0; byte < 8; ++byte) std::snprintf(text + 2 * byte, 3, "%02x", digest[byte]);
  return text;
}

Point lps(const std::vector<double>& to, double x, double y, double z) {
  Point point;
  for (int axis = 0; axis < 3; ++axis) point[axis] = to[4 * axis] * x + to[4 * axis + 1] * y + to[4 * axis + 2] * z + to[4 * axis + 3];
  return point;
}

/** To a hundredth of a millimetre, finer than any voxel. */
Point rounded(Point point) {
  for (double& value : point) value = std::nearbyint(value * 100) / 100;
  return point;
}

/** Smallest and largest corner in the patient's axes, from all eight: scans may be a little oblique. */
std::array<Point, 2> box_lps(const std::vector<double>& to, const double* box) {
  constexpr double far = std::numeric_limits<double>::infinity();
  Point low{far, far, far}, high{-far, -far, -far};
  for (int corner = 0; corner < 8; ++corner) {
    const Point point = lps(to, box[3 * (corner & 1)], box[1 + 3 * (corner >> 1 & 1)], box[2 + 3 * (corner >> 2)]);
    for (int axis = 0; axis < 3; ++axis) {
      low[axis] = std::min(low[axis], point[axis]);
      high[axis] = std::max(high[axis], point[axis]);
    }
  }
  return {rounded(low), rounded(high)};
}

}  // namespace

Findings findings_of(const inference::ModelInferResponse& answer, std::size_t bytes_sent, std::map<std::string, double> ms) {
  const auto& document = contract();
  const auto made_from = document["findings"]["made_from"].get<std::vector<std::string>>();
  Numbers numbers;
  Texts texts;
  for (const auto& expected : document["entry_models"][kModel]["outputs"]) {
    if (std::find(made_from.begin(), made_from.end(), expected["name"]) != made_from.end()) decode(answer, expected, numbers, texts);
  }
  const auto stages = document["stages"].get<std::vector<std::string>>();
  const auto &scores = numbers["patch_scores"], &boxes = numbers["patch_boxes_mm"], &to = numbers["patient_affine"];
  const auto &probabilities = numbers["patch_probabilities"], &locations = numbers["location"];
  const auto &line = numbers["centre_line_mm"], &stage_ms = numbers["stage_timings_ms"];
  const std::size_t k = scores.size(), n = stage_ms.size();
  if (k == 0 || probabilities.size() != k || locations.size() != k || boxes.size() != 6 * k || n == 0 || n > stages.size()) {
    throw nonsense("its tensors do not fit each other");
  }
  Findings found{document["findings"]["schema_version"], document["notice"], keyed_hash(texts["series_uid"][0]),
                 numbers["study_score"][0], numbers["threshold"][0]};
  found.positive = found.study_score >= found.threshold;
  const double marked = std::min(found.threshold, *std::max_element(scores.begin(), scores.end()));  // one of a positive study always is
  for (std::size_t i = 0; i < k; ++i) {
    found.patches.push_back({probabilities[i], scores[i], found.positive && scores[i] >= marked, locations[i], box_lps(to, &boxes[6 * i])});
  }
  for (std::size_t i = 0; i < line.size(); i += 3) found.centre_line_mm.push_back(rounded(lps(to, line[i], line[i + 1], line[i + 2])));
  for (const auto* each : {"study_flags", "flags"}) {
    for (const auto& flag : texts[each]) {
      if (std::find(found.flags.begin(), found.flags.end(), flag) == found.flags.end()) found.flags.push_back(flag);
    }
  }
  found.selection = texts["selection"];
  found.model = {kModel, answer.model_version(), document["networks"], texts["model_hash"][0]};
  found.transport = document["findings"]["transport"];
  found.bytes_sent = bytes_sent;
  for (std::size_t i = 0; i < n; ++i) {
    ms[stages[stages.size() - n + i]] = stage_ms[i];
    ms["network"] = std::max(0.0, ms["network"] - stage_ms[i]);
  }
  found.timings_ms = ms;
  return found;
}

}  // namespace vcf
