// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <utility>

#include "kserve.grpc.pb.h"
#include "vcf/client.hpp"

namespace vcf {

inline const std::string kModel = "vcf_dicom";

/** What `vcf export contract` writes. */
const nlohmann::json& contract();

/** What a failed call means, by the rules of the contract. */
Error fault(const grpc::Status& status, const std::string& address, bool secure);

/** The DICOM files of a study as the content of a BYTES tensor, and how many these are. */
std::pair<std::string, int> read_study(const std::string& path);

/** Findings of an answer, once its tensors are what the contract says. */
Findings findings_of(const inference::ModelInferResponse& answer, std::size_t bytes_sent, std::map<std::string, double> client_ms);

}  // namespace vcf
