// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace vcf {

/** x, y, z in patient LPS mm. */
using Point = std::array<double, 3>;

/** One of the patches that tile the spine, from head to feet. */
struct Patch {
  double probability, score;
  bool positive;
  double location;
  std::array<Point, 2> box_mm;
};

/** Which weights answered. */
struct Model {
  std::string name, version;
  std::vector<std::string> networks;
  std::string hash;
};

/** Findings of one study; as JSON they are what the contract's schema describes. */
struct Findings {
  std::string schema_version, notice, series_id;
  double study_score, threshold;
  bool positive;
  std::vector<Patch> patches;
  std::vector<Point> centre_line_mm;
  std::vector<std::string> flags, selection;
  Model model;
  std::string transport;
  std::size_t bytes_sent;
  std::map<std::string, double> timings_ms;
};

NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Patch, probability, score, positive, location, box_mm)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Model, name, version, networks, hash)
NLOHMANN_DEFINE_TYPE_NON_INTRUSIVE(Findings, schema_version, notice, series_id, study_score, threshold, positive, patches, centre_line_mm,
                                   flags, selection, model, transport, bytes_sent, timings_ms)

/** Whether a request may be sent anew. */
enum class Retry { never, elsewhere, again };

/** Why there are no findings. `code` is one of the contract's: of a refusal, or of `errors.codes`. */
struct Error : std::runtime_error {
  Error(std::string code, const std::string& sentence, Retry retry = Retry::never, bool refused = false)
      : std::runtime_error(sentence), code(std::move(code)), retry(retry), refused(refused) {}
  std::string code;
  Retry retry;
  /** The study cannot or must not be analysed: an answer, not a failure. */
  bool refused;
};

/** How servers are called. Zero and empty values stand for the contract's defaults. */
struct Options {
  double deadline_s = 0;   ///< longest wait for the findings of a study, retries included
  int attempts = 0;        ///< how often a request that no server has begun is sent
  bool tls = false;
  std::string ca, certificate, key;  ///< PEM texts; without an authority the system's are trusted
  std::string api_key;               ///< NAME=VALUE; to other machines over TLS only
  std::string age_policy = "warn";   ///< or block
};

/** Sends the DICOM files of CT studies to vcf-triton servers and returns their findings. Threads may share it. */
class Client {
 public:
  /** Servers `host:port`, which are used in turn. */
  explicit Client(std::vector<std::string> addresses, Options options = {});
  ~Client();

  /** Find fractures in the DICOM files of a folder, or in one file. Throws Error. */
  Findings analyze(const std::string& study);

 private:
  struct Servers;
  std::unique_ptr<Servers> servers_;
};

}  // namespace vcf
