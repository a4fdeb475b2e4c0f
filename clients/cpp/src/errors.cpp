// SPDX-License-Identifier: Apache-2.0
#include <regex>

#include "contract.hpp"

namespace vcf {
namespace {

// What gRPC's C core says of a connection that never came about, so that nothing was sent.
const std::regex kNoConnection(
    "failed to connect to all addresses|connections to all backends failing|errors resolving|DNS resolution failed|empty address list",
    std::regex::icase);
const std::regex kBadCertificate("handshake|certificate|hostname verification", std::regex::icase);
// The names that the contract has for the statuses that its rules ask for.
const std::map<grpc::StatusCode, std::string> kNames{{grpc::DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED"}, {grpc::RESOURCE_EXHAUSTED, "RESOURCE_EXHAUSTED"},
                                                     {grpc::UNAUTHENTICATED, "UNAUTHENTICATED"},     {grpc::PERMISSION_DENIED, "PERMISSION_DENIED"},
                                                     {grpc::UNAVAILABLE, "UNAVAILABLE"}};
constexpr std::size_t kLongestText = 2000;  // std::regex recurses

}  // namespace

Error fault(const grpc::Status& status, const std::string& address, bool secure) {
  const std::string text = status.error_message().substr(0, kLongestText);
  static const std::regex refusal(contract()["errors"]["refusal"].get<std::string>());
  for (std::sregex_iterator match(text.begin(), text.end(), refusal), end; match != end; ++match)
    if (contract()["codes"].contains((*match)[1].str())) return Error((*match)[1], match->suffix().str().substr(0, match->suffix().str().find('\n')), Retry::never, true);
  const std::string sentence = "the server at " + address + ": " + text;
  if (status.error_code() == grpc::UNAVAILABLE && std::regex_search(text, kNoConnection)) {
    const bool mistrust = secure && std::regex_search(text, kBadCertificate);
    return mistrust ? Error("NOT_TRUSTED", sentence, Retry::elsewhere) : Error("SERVER_UNAVAILABLE", sentence, Retry::again);
  }
  const auto name = kNames.find(status.error_code());
  for (const auto& rule : contract()["errors"]["rules"]) {
    const auto statuses = rule["statuses"].get<std::vector<std::string>>();
    const bool named = statuses.empty() || (name != kNames.end() && std::find(statuses.begin(), statuses.end(), name->second) != statuses.end());
    const std::string words = rule["words"];
    if (named && (words.empty() || std::regex_search(text, std::regex(words, std::regex::icase)))) {
      return Error(rule["error"], sentence, rule["retry"] == "again" ? Retry::again : rule["retry"] == "elsewhere" ? Retry::elsewhere : Retry::never);
    }
  }
  return Error("SERVER_FAILED", sentence);
}

}  // namespace vcf
